"""No training learns from test images without somebody having said so."""

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from irbox.config.load_config import load_config
from irbox.datasets import PairedImageDataset, fingerprints
from irbox.datasets.photographs import photograph
from irbox.engine import check_leaks as module
from irbox.engine import compat
from irbox.engine.check_leaks import check_leaks
from irbox.engine.prepare import prepare_training
from support.paths import TINY

NAMES = ('astronaut', 'coffee', 'rocket', 'motorcycle', 'chelsea')


@pytest.fixture(scope='module')
def pictures():
    return [photograph(name).image.resize((96, 64)) for name in NAMES]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    compat.init()


def plant(root, images, suffix='.png', **options):
    """A set of which the degraded images are all alike: a haze that leaves nothing."""
    for side in ('input', 'target'):
        (root / side).mkdir(parents=True)
    for number, image in enumerate(images):
        image.point(lambda value: 200).save(root / 'input' / f'{number}.png')
        image.save(root / 'target' / f'{number}{suffix}', **options)
    return {'haze': {'input': f'{root}/input', 'target': f'{root}/target'}}


def section(sources):
    return {'dataset': {'type': 'PairedImageDataset', 'sources': sources}}


@pytest.fixture
def check(tmp_path, pictures):
    ours = DataLoader(PairedImageDataset(plant(tmp_path / 'train', pictures[:3])))

    def run(theirs, leaks=None, validation=None):
        tested = section(plant(tmp_path / 'test', theirs)) if theirs else None
        options = {'test_dataloader': tested, 'leaks': leaks}
        given = {key: value for key, value in options.items() if value is not None}
        config = load_config(TINY, given)
        return check_leaks(ours, config, validation or {})

    return run


def test_other_images(check, pictures):
    assert check(pictures[3:]) == []


def test_the_same_image(check, pictures):
    with pytest.raises(ValueError, match='1 of 3 clean images.*test_dataloader.*leaks=warn') as no:
        check([pictures[4], pictures[1]])
    assert 'train/target/1.png is ' in str(no.value) and 'test/target/1.png' in str(no.value)


def test_a_copy_of_half_the_size(check, pictures):
    with pytest.raises(ValueError, match='2 of 3 clean images'):
        check([pictures[number].resize((48, 32)) for number in (0, 2, 4)])


@pytest.mark.parametrize(
    ('suffix', 'options'),
    [('.png', {}), ('.bmp', {}), ('.tif', {}), ('.jpg', {'quality': 30})],
)
def test_a_copy_written_anew(tmp_path, pictures, suffix, options):
    """The training has JPEG files, the test what they show, in all of these."""
    ours = DataLoader(PairedImageDataset(plant(tmp_path / 'ours', pictures[:3], '.jpg')))
    with Image.open(tmp_path / 'ours/target/1.jpg') as jpeg:
        copies = plant(tmp_path / 'theirs', [pictures[4], jpeg.convert('RGB')], suffix, **options)
    with pytest.raises(ValueError, match=rf'1 of 3 .*target/1.jpg is .*theirs/target/1{suffix}'):
        check_leaks(ours, load_config(TINY, {'test_dataloader': section(copies)}), {})


def test_one_color_only_by_its_pixels(tmp_path, check, pictures):
    colors = [Image.new('RGB', (96, 64), color) for color in ('red', 'blue')]
    red, blue = (
        DataLoader(PairedImageDataset(plant(tmp_path / f'{number}', [color])))
        for number, color in enumerate(colors)
    )
    config = load_config(TINY, {})
    assert check_leaks(red, config, {'seen': blue}) == []
    (note,) = check_leaks(red, config, {'seen': red})
    assert '1 of 1' in note


def test_a_video_of_frames_that_are_nearly_the_same(monkeypatch, tmp_path, pictures):
    """Any of ours may be any of theirs: still every file is decoded once, none in pairs."""
    rng, base = np.random.default_rng(0), np.asarray(pictures[1])
    frames = [
        Image.fromarray((base + rng.normal(0, 4, base.shape)).clip(0, 255).astype(np.uint8))
        for _ in range(30)
    ]
    decoded = []
    for name in ('open_brightness', 'open_image'):
        plain = getattr(fingerprints, name)
        monkeypatch.setattr(
            fingerprints,
            name,
            lambda path, *more, plain=plain: decoded.append(path) or plain(path, *more),
        )
    ours = DataLoader(PairedImageDataset(plant(tmp_path / 'ours', frames[:20])))
    theirs = DataLoader(PairedImageDataset(plant(tmp_path / 'theirs', frames[20:])))
    (note,) = check_leaks(ours, load_config(TINY, {}), {'seen': theirs})
    assert note.startswith('WARNING: 20 of 20') and len(decoded) == len(set(decoded)) == 30
    check_leaks(ours, load_config(TINY, {}), {'seen': theirs})
    assert len(decoded) == 30


@pytest.mark.parametrize('many', [4, 5])
def test_many_files_are_announced(monkeypatch, capsys, check, pictures, many):
    monkeypatch.setattr(module, 'MANY', many)
    check(pictures[3:])
    assert ('Comparing 5 clean images' in capsys.readouterr().out) == (many == 4)


def test_the_file_itself(tmp_path, check, pictures):
    sources = plant(tmp_path / 'own', pictures[:1])
    config = load_config(TINY, {'test_dataloader': section(sources)})
    with pytest.raises(ValueError, match='1 of 1'):
        check_leaks(DataLoader(PairedImageDataset(sources)), config, {})


def test_it_may_be_allowed(check, pictures):
    (note,) = check(pictures[:3], leaks='warn')
    assert note.startswith('WARNING: 3 of 3')


def test_it_need_not_be_looked_for(check, pictures):
    assert check(pictures[:3], leaks='ignore') == []


def test_a_validation_may_look_at_training_images(tmp_path, check, pictures):
    loader = DataLoader(PairedImageDataset(plant(tmp_path / 'val', pictures[1:2])))
    (note,) = check(None, validation={'seen': loader})
    assert note.startswith('WARNING: 1 of 3') and 'val_dataloader.seen' in note


def test_a_test_set_that_is_not_there(tmp_path, pictures):
    gone = {'haze': {'input': f'{tmp_path}/gone', 'target': f'{tmp_path}/gone'}}
    config = load_config(TINY, {'test_dataloader': section(gone)})
    loader = DataLoader(PairedImageDataset(plant(tmp_path / 'train', pictures[:1])))
    (note,) = check_leaks(loader, config, {})
    assert 'not at hand' in note and 'gone' in note


def test_a_training_does_not_begin(tmp_path, pictures):
    sources = plant(tmp_path / 'train', pictures[:2])
    options = {
        'train_dataloader.dataset': {'_delete_': True, **section(sources)['dataset']},
        'test_dataloader': section(sources),
    }
    with pytest.raises(ValueError, match='2 of 2 clean images'):
        prepare_training(load_config(TINY, options))
    assert any(
        note.startswith('WARNING: 2 of 2')
        for note in prepare_training(load_config(TINY, options | {'leaks': 'warn'})).notes
    )
