"""Files that are no images, or not such as a data set holds, at every reader of data sets."""

import os

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image
from torch.utils.data import DataLoader

from irbox.config.command_line import users_mistake
from irbox.datasets.file_facts import read_facts
from irbox.datasets.paired_image_dataset import PairedImageDataset
from irbox.datasets.read_image import BadImageError, image_size, open_image, opened, read_image
from irbox.pictures import read_picture
from irbox.restore.masks import read_mask
from support.bad_images import HIDDEN, REFUSED, TAKEN, image_bytes, specials
from support.picture_files import KINDS, photograph, saved

CONTENT = {name: make() for name, (make, _, _) in REFUSED.items()}


@pytest.mark.parametrize('name', REFUSED)
def test_what_is_refused_is_refused_alike_everywhere(name, tmp_path):
    _, suffix, reason = REFUSED[name]
    path = tmp_path / f'a{suffix}'
    path.write_bytes(CONTENT[name])
    with pytest.raises(BadImageError, match=reason or None) as caught:
        open_image(path)
    text = str(caught.value)
    assert text.startswith(f'Image {path} cannot be read (') and text.endswith('the pair out.')
    assert '\n' not in text
    facts = [read_facts([path], deep)[path] for deep in (False, True)]
    assert facts[1].size is None and reason in facts[1].problem
    assert name in HIDDEN or (facts[0].size is None and reason in facts[0].problem)
    assert users_mistake(caught.value) == text


@pytest.mark.parametrize('name', TAKEN)
def test_what_is_taken(name, tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(TAKEN[name]())
    image = read_image(path)
    assert image.shape == (48, 64, 3) and image.dtype == np.uint8
    assert image_size(path) == (64, 48) == read_facts([path])[path].size
    # As it is stored: not turned, CMYK without its profile, alpha dropped.
    if name == 'alpha':
        np.testing.assert_array_equal(image, photograph())
    if name in ('CMYK', 'EXIF-rotated', 'JPEG named as PNG'):
        np.testing.assert_array_equal(image, np.asarray(Image.open(path).convert('RGB')))


def test_a_lack_of_memory_is_not_the_file_s(tmp_path):
    (tmp_path / 'a.png').write_bytes(image_bytes(0))
    with pytest.raises(MemoryError), opened(tmp_path / 'a.png'):
        raise MemoryError


def test_what_is_no_regular_file_never_hangs(tmp_path):
    for name, reason in specials(tmp_path).items():
        for read in (open_image, image_size):
            with pytest.raises(BadImageError, match=reason):
                read(tmp_path / name)
        for deep in (False, True):
            assert read_facts([tmp_path / name], deep)[tmp_path / name].problem
        with pytest.raises((ValueError, FileNotFoundError)):
            read_picture(tmp_path / name)
        with pytest.raises(ValueError, match=reason):
            read_mask(tmp_path / name, (4, 4))


def test_postscript_starts_no_program(tmp_path, monkeypatch):
    mark, path = tmp_path / 'mark', tmp_path / 'a.png'
    (tmp_path / 'gs').write_text(f'#!/bin/sh\necho run >> {mark}\n')
    (tmp_path / 'gs').chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    monkeypatch.setattr(EpsImagePlugin, 'gs_binary', None)
    path.write_bytes(saved(photograph(), 'EPS'))
    for read in (read_image, image_size, read_picture, lambda path: read_mask(path, (48, 64))):
        with pytest.raises(ValueError, match='known (type|format)'):
            read(path)
    read_facts([path]), read_facts([path], deep=True)
    assert not mark.exists()
    # Pillow by itself runs it.
    with pytest.raises(OSError), Image.open(path) as image:
        image.load()
    assert 'run' in mark.read_text()


def test_readers_that_another_package_registered_are_not_used(tmp_path, monkeypatch):
    used = []

    def spy(file, name):
        used.append(name)
        return Image.new('RGB', (1, 1))

    Image.init()
    monkeypatch.setattr(Image, 'ID', ['SPY', *Image.ID])
    monkeypatch.setattr(Image, 'OPEN', {name: (spy, None) for name in Image.ID})
    good, strange = tmp_path / 'a.png', tmp_path / 'b.png'
    good.write_bytes(KINDS['png-rgb8']())
    strange.write_bytes(b'SPY' + bytes(200))
    np.testing.assert_array_equal(read_image(good), photograph())
    np.testing.assert_array_equal(read_picture(good).pixels, photograph())
    for read in (read_image, read_picture, lambda path: read_mask(path, (1, 1))):
        with pytest.raises(ValueError, match='known'):
            read(strange)
    assert not used


@pytest.mark.filterwarnings('ignore::UserWarning:PIL')
@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'BMP', 'GIF', 'TIFF', 'WEBP', 'PPM'])
def test_damage_of_any_kind_is_one_message(kind, tmp_path):
    """Bytes changed, cut and doubled at random: an image, or the one error."""
    small = Image.fromarray(photograph()[::3, ::3].copy())
    options = {'compression': 'tiff_lzw'} if kind == 'TIFF' else {}
    whole, path = saved(small, kind, **options), tmp_path / 'a.png'
    rng = np.random.default_rng(len(kind))
    refused = 0
    for _ in range(60):
        data = bytearray(whole)
        for place in rng.integers(len(data) if rng.random() < 0.5 else 60, size=rng.integers(1, 6)):
            data[place] = rng.integers(256)
        if rng.random() < 0.2:
            del data[rng.integers(len(data)) :]
        path.write_bytes(data)
        try:
            assert np.asarray(open_image(path)).ndim == 3
        except BadImageError as error:
            refused += 1
            assert str(path) in str(error) and '\n' not in str(error)
    assert refused


def pairs(root, count=6):
    for folder in ('in', 'gt'):
        (root / folder).mkdir(parents=True)
        for number in range(count):
            (root / folder / f'{number}.png').write_bytes(image_bytes(number))
    return {'rain': {'input': 'in', 'target': 'gt'}}


def test_skipped_draws_are_a_function_of_seed_index_and_draw(tmp_path):
    sources = pairs(tmp_path)
    options = {'data_root': str(tmp_path), 'patch_size': 16, 'augment': 'dihedral'}
    clean = PairedImageDataset(sources, **options, on_bad_sample='skip')
    expected = {index: clean[index, 9]['image'] for index in range(6)}
    assert clean[2, 9]['skipped'] == ''
    (tmp_path / 'in' / '2.png').write_bytes(b'')
    (tmp_path / 'gt' / '4.png').unlink()
    dataset = PairedImageDataset.__new__(PairedImageDataset)
    vars(dataset).update(vars(clean))
    draws = [(index, 9) for index in (0, 2, 4, 2, 5)]
    here = [dataset[draw] for draw in draws]
    loader = DataLoader(dataset, batch_size=None, sampler=list(reversed(draws)), num_workers=1)
    there = list(loader)[::-1]
    for one, other, (index, _) in zip(here, there, draws, strict=True):
        assert one['name'] == other['name'] and one['image'].equal(other['image'])
        assert one['skipped'] == other['skipped']
        if index in (2, 4):
            assert one['name'] not in ('2', '4') and f'{index}.png' in one['skipped']
        else:
            assert one['image'].equal(expected[index]) and one['skipped'] == ''
    # A score never has another image in place of one.
    with pytest.raises(BadImageError, match='0 bytes'):
        dataset[2]


def test_sizes_that_cannot_be_read_at_the_start_are_skipped_when_drawn(tmp_path):
    sources = pairs(tmp_path, 3)
    (tmp_path / 'in' / '1.png').write_bytes(b'')
    options = {'data_root': str(tmp_path), 'patch_size': 20}
    for more in ({'small_images': 'skip'}, {'size_policy': 'center_crop_to_min'}):
        with pytest.raises(BadImageError, match='0 bytes'):
            PairedImageDataset(sources, **options, **more)
        dataset = PairedImageDataset(sources, **options, **more, on_bad_sample='skip')
        assert len(dataset) == 3 and '0 bytes' in dataset[1, 0]['skipped']


def test_a_set_of_which_nothing_can_be_used_says_so(tmp_path):
    sources = pairs(tmp_path, 2)
    dataset = PairedImageDataset(sources, data_root=str(tmp_path), on_bad_sample='skip')
    for number in range(2):
        (tmp_path / 'in' / f'{number}.png').write_bytes(b'x')
    with pytest.raises(BadImageError, match='None of 100 pairs of rain .* The last: Image'):
        dataset[0, 0]


def test_a_file_that_vanishes_or_changes_is_named_from_a_worker_process_too(tmp_path):
    dataset = PairedImageDataset(pairs(tmp_path, 2), data_root=str(tmp_path))
    (tmp_path / 'gt' / '0.png').unlink()
    (tmp_path / 'in' / '1.png').write_bytes(image_bytes(1, size=30))
    for index, said in ((0, 'does not exist'), (1, '30x30, the clean one 24x24')):
        for workers in (0, 1):
            with pytest.raises(ValueError, match=said) as caught:
                list(DataLoader(dataset, sampler=[index], num_workers=workers))
            message = users_mistake(caught.value)
            assert message and f'{index}.png' in message and '\n' not in message
