import numpy as np
import pytest
from PIL import Image

from irbox.degradations import MaskFolder

GREY = np.full((20, 30, 3), 0.4, dtype=np.float32)


@pytest.fixture
def folder(tmp_path):
    """A mask that says where it was cut, with hidden files beside it."""
    mask = np.add.outer(np.arange(40), 2 * np.arange(50)).astype(np.uint8)
    Image.fromarray(mask).save(tmp_path / '1.png')
    (tmp_path / '._1.png').write_bytes(b'x')
    (tmp_path / 'read.me').write_text('x')
    return tmp_path


def run(folder, seed=0, image=GREY, **options):
    return MaskFolder(str(folder), **options)(image, np.random.default_rng(seed))


def test_rain_is_added(folder):
    added = (run(folder) - GREY) * 255
    np.testing.assert_allclose(np.abs(np.diff(added[..., 0], axis=1)), 2, atol=1e-3)
    np.testing.assert_allclose(np.diff(added[..., 0], axis=0), 1, atol=1e-3)
    half = (run(folder, strength=0.5) - GREY) * 255
    np.testing.assert_allclose(half, added / 2, atol=1e-3)


def test_parts_and_flips_are_drawn(folder):
    found = [run(folder, seed) for seed in range(8)]
    assert len({one.tobytes() for one in found}) == 8
    assert {np.sign(one[0, 1, 0] - one[0, 0, 0]) for one in found} == {-1, 1}


def test_snow_covers(folder):
    Image.new('L', (64, 64), 255).save(folder / '1.png')
    np.testing.assert_allclose(run(folder, how='cover', color=0.9), 0.9, atol=1e-6)
    np.testing.assert_allclose(run(folder, how='cover', strength=0.5), 0.7, atol=1e-6)


def test_colored_snow_and_small_masks(folder):
    Image.new('RGB', (7, 5), (255, 0, 0)).save(folder / '1.png')
    answer = run(folder, how='cover')
    np.testing.assert_allclose(answer[..., 0], 1)
    np.testing.assert_allclose(answer[..., 1:], 0.4, atol=1e-6)


def test_what_is_wrong_with_a_folder_is_said(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match='masks .*nope does not exist'):
        MaskFolder(str(tmp_path / 'nope'))
    (folder / '1.png').write_bytes(b'no picture')
    with pytest.raises(ValueError, match=r'1\.png cannot be read'):
        run(folder)
    (folder / '1.png').unlink()
    with pytest.raises(ValueError, match='holds no pictures'):
        MaskFolder(str(folder))


def test_masks_of_16_bits_are_refused(folder):
    Image.fromarray(np.full((40, 50), 300, np.uint16)).save(folder / '1.png')
    with pytest.raises(ValueError, match=r'1\.png cannot be read .*more than 8 bits'):
        run(folder)
