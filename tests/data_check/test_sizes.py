import io

import numpy as np
import pytest
from PIL import Image

from irbox.datasets.file_facts import read_facts
from support.check_data import folders, kinds


@pytest.mark.parametrize(
    ('policy', 'serious'),
    [('error', True), ('center_crop_to_min', False), ('resize_clean_to_input', False)],
)
def test_sizes_that_differ(check, save, tmp_path, policy, serious):
    save('d/input/1.png')
    save('d/target/1.png', width=42)
    [finding] = check({'rain': folders('d')}, size_policy=policy).findings
    assert (finding.kind, finding.serious) == ('size', serious)
    assert finding.files == [f'{tmp_path}/d/input/1.png 40x30, {tmp_path}/d/target/1.png 42x30']


def test_sizes_that_resize_makes_equal(check, save):
    save('d/input/1.png')
    save('d/target/1.png', width=42)
    assert check({'rain': folders('d')}, resize=[64, 64], patch_size=60).findings == []
    notes = check({'rain': folders('d')}, resize=[64, 64], patch_size=65).findings
    assert kinds(notes) == ['small']


def test_images_smaller_than_the_patch(check, pairs):
    pairs('d', ['1.png', '2.png'])
    pairs('d', ['3.png'], height=31)
    assert check({'rain': folders('d')}, patch_size=30).findings == []
    [note] = check({'rain': folders('d')}, patch_size=31).findings
    assert not note.serious and '2 of 3 images are smaller than the crops of 31' in note.message


def test_a_margin_counts(check, pairs):
    """Motion blur reaches in from outside the crop."""
    pairs('d', ['1.png'])
    source = folders('d', degrade={'type': 'MotionBlur'})
    assert kinds(check({'blur': source}, patch_size=30).findings) == ['small']


def photograph():
    rows = np.linspace(0, 255, 64 * 64).reshape(64, 64).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 9, (64, 64, 3), dtype=np.uint8)
    return Image.fromarray(rows[..., None] // 2 + noise)


@pytest.mark.parametrize('kind', ['png', 'jpeg', 'bmp'])
def test_files_that_are_cut_off(tmp_path, kind):
    buffer = io.BytesIO()
    photograph().save(buffer, kind)
    content = buffer.getvalue()
    paths = [tmp_path / f'{number}.{kind}' for number in range(4)]
    # Something after the end, as some cameras write, is no damage.
    for path, data in zip(
        paths,
        (content, content + bytes(40), content[: len(content) // 2], content[:10]),
        strict=True,
    ):
        path.write_bytes(data)
    for deep in (False, True):
        facts = read_facts(paths, deep)
        assert [facts[path].size for path in paths] == [(64, 64), (64, 64), None, None]
        assert facts[paths[2]].problem and facts[paths[3]].problem


def test_damage_in_the_middle_needs_decoding(tmp_path):
    path = tmp_path / 'a.png'
    photograph().save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert read_facts([path])[path].size == (64, 64)
    assert read_facts([path], deep=True)[path].size is None


def test_what_is_no_image_and_what_is_too_deep(tmp_path):
    text, deep, gone = (tmp_path / name for name in ('a.png', 'b.png', 'c.png'))
    text.write_text('<html>Too many requests</html>')
    Image.fromarray(np.zeros((8, 8), dtype=np.uint16)).save(deep)
    facts = read_facts([text, deep, gone])
    assert 'it is no image of a known type: JPEG, PNG' in facts[text].problem
    assert 'more than 8 bits' in facts[deep].problem
    assert facts[gone].size is None and facts[gone].problem
