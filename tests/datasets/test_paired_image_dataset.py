import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from irbox.datasets import source_report
from irbox.datasets.paired_image_dataset import PairedImageDataset
from irbox.registry import DATASETS


def picture(seed, height=24, width=30):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


@pytest.fixture
def root(tmp_path):
    """Three pairs: the clean image is the degraded one plus one in red."""
    for number in range(3):
        image = picture(number)
        image[..., 0] //= 2
        save(tmp_path / 'in' / f'{number}.png', image)
        save(tmp_path / 'gt' / f'{number}.png', image + np.array([1, 0, 0], dtype=np.uint8))
    return tmp_path


def make(root, **options):
    sources = options.pop('sources', {'rain': {'input': 'in', 'target': 'gt'}})
    return PairedImageDataset(sources, data_root=str(root), **options)


def assert_same(first, second):
    assert torch.equal(first['image'], second['image'])
    assert torch.equal(first['target'], second['target'])
    assert (first['label'], first['name']) == (second['label'], second['name'])


def is_a_pair(item):
    difference = ((item['target'] - item['image']) * 255).round()
    return (difference[0] == 1).all() and (difference[1:] == 0).all()


def test_braces_in_the_data_root_are_part_of_its_name(root):
    place = root / 'of_{sequence}' / '**'
    place.parent.mkdir()
    place.mkdir()
    for folder in ('in', 'gt'):
        (root / folder).rename(place / folder)
    assert len(make(place)) == 3
    patterns = {'rain': {'input': '{side}', 'target': 'gt', 'choices': {'side': ['in']}}}
    assert len(make(place, sources=patterns)) == 3


def test_whole_images(root):
    dataset = make(root)
    assert len(dataset) == 3
    for index in range(3):
        item = dataset[index]
        assert set(item) == {'image', 'target', 'label', 'name'}
        assert item['image'].shape == item['target'].shape == (3, 24, 30)
        assert item['image'].dtype == item['target'].dtype == torch.float32
        assert (item['label'], item['name']) == ('rain', str(index))
        assert is_a_pair(item)
    expected = np.asarray(Image.open(root / 'in' / '1.png'), dtype=np.float32) / 255
    np.testing.assert_array_equal(dataset[1]['image'].numpy(), expected.transpose(2, 0, 1))


@pytest.mark.parametrize('augment', ['none', 'flips', 'dihedral', 'dihedral_moved'])
def test_crops_and_augmentation_are_the_same_for_both(root, augment):
    dataset = make(root, patch_size=16, augment=augment)
    seen = {dataset[0, draw]['image'].numpy().tobytes() for draw in range(40)}
    assert len(seen) > 20
    assert all(is_a_pair(dataset[index, 3]) for index in range(3))
    assert dataset[0]['image'].shape == (3, 16, 16)


@pytest.mark.parametrize('degrade', [None, {'type': 'GaussianNoise', 'sigma': 25}])
@pytest.mark.parametrize('target', ['gt', 'in'])
def test_cropping_before_conversion_changes_nothing(root, target, degrade):
    """Cropping to a multiple of 1 keeps every pixel and takes the way of whole arrays."""
    options = {'sources': {'rain': {'input': 'in', 'target': target, 'degrade': degrade}}}
    options |= {'patch_size': 16, 'augment': 'dihedral'}
    fast = make(root, **options)
    slow = make(root, to_multiple={'multiple': 1, 'policy': 'center_crop'}, **options)
    for draw in range(12):
        assert_same(fast[draw % 3, draw], slow[draw % 3, draw])


def test_augmentation_reaches_every_mode(root):
    for augment, modes in (('none', 1), ('flips', 4), ('dihedral', 8), ('dihedral_moved', 7)):
        dataset = make(root, augment=augment)
        seen = {dataset[0, draw]['image'].numpy().tobytes() for draw in range(100)}
        assert len(seen) == modes


def test_a_sample_depends_on_seed_index_and_draw_alone(root):
    options = {'patch_size': 16, 'augment': 'dihedral'}
    expected = make(root, **options)[1, 8]
    dataset = make(root, **options)
    for other in range(10):
        dataset[other % 3, other]
    assert_same(dataset[1, 8], expected)
    loader = DataLoader(dataset, batch_size=None, sampler=[(1, 8)], num_workers=1)
    assert_same(next(iter(loader)), expected)
    for other in (dataset[1, 9], make(root, seed=1, **options)[1, 8]):
        assert not torch.equal(other['image'], expected['image'])
    assert_same(dataset[1], dataset[1, 0])


def test_several_sources_with_labels_and_distinct_names(root):
    for name in ('0.png', '1.png'):
        save(root / 'snow' / name, picture(9))
    dataset = make(
        root,
        sources={
            'rain': {'input': 'in', 'target': 'gt'},
            'snow': {'input': 'snow', 'target': 'gt', 'label': 'snow_large'},
            'gone': None,
        },
    )
    items = [dataset[index] for index in range(len(dataset))]
    assert [item['name'] for item in items] == ['rain_0', 'rain_1', 'rain_2', 'snow_0', 'snow_1']
    assert [item['label'] for item in items] == ['rain'] * 3 + ['snow_large'] * 2
    assert dataset.metainfo == {'labels': ('rain', 'snow_large')}


def test_names_of_sources_that_begin_alike(root):
    for name in ('heavy_1.png', '2.png'):
        save(root / 'light' / name, picture(8))
    save(root / 'heavy' / '1.png', picture(9))
    one = {'input': 'light', 'target': 'light'}
    other = {'input': 'heavy', 'target': 'heavy'}
    dataset = make(root, sources={'rain': one, 'rain_heavy': other})
    assert dataset.names == ['rain_2', 'rain_heavy_1', 'rain_heavy_1_2']


def test_alpha_and_grey_on_either_side(root):
    grey = picture(5)[..., 0]
    save(root / 'in' / '3.png', np.dstack([picture(4), grey]))
    save(root / 'gt' / '3.png', grey)
    item = make(root)[3]
    np.testing.assert_array_equal(
        item['image'].numpy(), picture(4).transpose(2, 0, 1).astype(np.float32) / 255
    )
    assert torch.equal(item['target'][0], item['target'][2])
    save(root / 'gt' / '3.png', np.dstack([picture(4), grey]))
    assert torch.equal(make(root)[3]['target'], item['image'])


def test_sizes_that_differ(root):
    image = picture(6, 26, 30)
    save(root / 'in' / '3.png', image[1:25])
    save(root / 'gt' / '3.png', image)
    with pytest.raises(
        ValueError, match=r'3\.png.* is 30x24, the clean one 30x26. Set size_policy'
    ):
        make(root)[3]
    item = make(root, size_policy='center_crop_to_min')[3]
    assert torch.equal(item['image'], item['target'])
    assert make(root, size_policy='resize_clean_to_input')[3]['target'].shape == (3, 24, 30)


def test_images_smaller_than_the_patch(root):
    for policy in ('reflect_pad', 'resize_up'):
        assert make(root, patch_size=28, small_images=policy)[0]['image'].shape == (3, 28, 28)
    assert is_a_pair(make(root, patch_size=28)[0])
    for folder in ('in', 'gt'):
        save(root / folder / '3.png', picture(7, 40, 40))
    assert make(root, patch_size=28, small_images='skip').names == ['3']
    with pytest.raises(ValueError, match='at least 64 pixels'):
        make(root, patch_size=64, small_images='skip')


def test_images_that_resize_makes_large_enough(root):
    dataset = make(root, patch_size=40, small_images='skip', resize=(48, 48))
    assert len(dataset) == 3 and dataset[0]['image'].shape == (3, 40, 40)
    with pytest.raises(ValueError, match='at least 40 pixels'):
        make(root, patch_size=40, small_images='skip', resize=(39, 48))


def test_to_multiple(root):
    options = {'multiple': 16, 'policy': 'center_crop'}
    item = make(root, to_multiple=options)[0]
    assert item['image'].shape == (3, 16, 16)
    assert is_a_pair(item)
    assert make(root, to_multiple=options | {'policy': 'reflect_pad'})[0]['image'].shape == (
        3,
        32,
        32,
    )


NOISY = {'input': 'gt', 'target': 'gt', 'degrade': {'type': 'GaussianNoise', 'sigma': 25}}


def test_degrades_clean_images_anew_at_each_draw(root):
    dataset = make(root, sources={'noise': NOISY}, patch_size=16, augment='dihedral')
    item = dataset[1, 0]
    error = (item['image'] - item['target']) * 255
    assert 15 < error.std() < 30  # clipping takes some of the 25 away
    assert torch.equal(item['image'], (item['image'] * 255).round() / 255)
    assert item['label'] == 'noise' and item['target'].shape == (3, 16, 16)
    assert_same(item, dataset[1, 0])
    assert not torch.equal(item['image'], dataset[1, 1]['image'])
    whole = make(root, sources={'noise': NOISY})[1]
    clean = np.asarray(Image.open(root / 'gt' / '1.png'), dtype=np.float32) / 255
    np.testing.assert_array_equal(whole['target'].numpy(), clean.transpose(2, 0, 1))


def test_degradations_follow_one_another_and_see_beyond_the_crop(root):
    dark = {'type': 'LowLight'}  # looks 6 pixels around
    chain = [dark, NOISY['degrade']]
    for options in ({'patch_size': 16}, {'patch_size': 40}, {}):
        both = make(root, sources={'both': NOISY | {'degrade': chain}}, **options)[0]
        only = make(root, sources={'both': NOISY | {'degrade': dark}}, **options)[0]
        size = options.get('patch_size')
        assert both['image'].shape == both['target'].shape == (3, size or 24, size or 30)
        assert torch.equal(both['target'], only['target'])
        assert only['image'].mean() < 0.7 * only['target'].mean()
        assert not torch.equal(both['image'], only['image'])


def test_repeats_a_source(root, monkeypatch):
    said = []
    monkeypatch.setattr(source_report, 'print_log', lambda text, **_: said.append(text))
    dataset = make(
        root, sources={'rain': {'input': 'in', 'target': 'gt', 'repeat': 4}, 'noise': NOISY}
    )
    assert len(dataset) == 15
    assert [dataset[index]['label'] for index in (0, 11, 12)] == ['rain', 'rain', 'noise']
    assert is_a_pair(dataset[11])
    assert said[0] == 'Data source rain: 12 pairs (rain 3, 4 times)'


def test_counts_are_reported(root, monkeypatch):
    said = []
    monkeypatch.setattr(source_report, 'print_log', lambda text, **_: said.append(text))
    (root / 'gt' / '2.png').unlink()
    make(root, strict=False)
    assert said == ['Data source rain: 2 pairs (rain 2; 1 without a clean image)']


def test_unreadable_image(root):
    (root / 'in' / '1.png').write_bytes(b'not an image')
    dataset = make(root)
    with pytest.raises(ValueError, match=r'in/1\.png cannot be read'):
        dataset[1]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'sources': {}}, 'sources is empty'),
        ({'sources': {'rain': None}}, 'sources is empty'),
        ({'sources': {'rain': {'input': 'in'}}}, 'source rain needs target'),
        (
            {'sources': {'rain': {'input': 'in', 'target': 'gt', 'lable': 'x'}}},
            "source rain takes no 'lable'. Did you mean 'label'",
        ),
        (
            {'sources': {'rain': {'input': 'in', 'target': 'gt', 'exclude_ids': {'first': 1}}}},
            'exclude_ids needs last',
        ),
        (
            {
                'sources': {
                    'rain': {
                        'input': 'in',
                        'target': 'gt',
                        'exclude_ids': {'first': 1, 'last': 2},
                    }
                }
            },
            'exclude_ids needs `pattern`',
        ),
        (
            {'sources': {'rain': {'input': 'in', 'target': 'gt', 'repeat': 1.5}}},
            'source rain: repeat=1.5 must be a whole number',
        ),
        (
            {'sources': {'rain': NOISY | {'degrade': {'type': 'GausianNoise'}}}},
            "No transform is called 'GausianNoise'. Did you mean 'GaussianNoise'",
        ),
        (
            {'augment': 'flip'},
            "augment: 'flip' is unknown. Did you mean 'flips'. Choose 'none', 'fli",
        ),
        ({'size_policy': 'crop'}, "size_policy: 'crop' is unknown"),
        ({'small_images': 'pad'}, "small_images: 'pad' is unknown"),
        ({'to_multiple': {'multiple': 16}}, 'to_multiple: .* needs policy'),
        ({'to_multiple': {'multiple': 16, 'policy': 'x'}}, "to_multiple.policy: 'x' is unknown"),
        (
            {'to_multiple': {'multiple': 16, 'policy': 'center_crop', 'longest_side': 9}},
            'longest_side goes with resize_up, not with center_crop',
        ),
        ({'patch_size': 0}, 'patch_size: 0 must be a whole number above 0'),
        ({'patch_size': 12.5}, 'patch_size: 12.5 must be a whole number'),
        ({'seed': 'x'}, "seed: 'x' is text; a number is needed"),
        ({'sources': None}, 'sources: null must be a mapping'),
        ({'sources': ['rain']}, r"sources: \['rain'\] must be a mapping"),
        ({'to_multiple': 16}, 'to_multiple: 16 must be a mapping'),
        (
            {'to_multiple': {'multiple': 0, 'policy': 'center_crop'}},
            'to_multiple.multiple: 0 must be a whole number above 0',
        ),
        (
            {'to_multiple': {'multiple': 2, 'policy': 'resize_up', 'longest_side': 'x'}},
            "to_multiple.longest_side: 'x' is text",
        ),
        ({'weights': ['rain']}, r"weights: \['rain'\] must be a mapping, 'uniform' or null"),
        ({'weights': {'rain': float('inf')}}, 'weights.rain: inf must be a finite number'),
    ],
)
def test_mistakes_are_named(root, options, message):
    config = {'sources': {'rain': {'input': 'in', 'target': 'gt'}}, 'data_root': str(root)}
    with pytest.raises(ValueError, match=message):
        DATASETS.build({'type': 'PairedImageDataset', **config, **options})


def test_a_data_root_that_is_no_path():
    with pytest.raises(ValueError, match='data_root=None must be the path of a folder'):
        PairedImageDataset({'rain': {'input': 'in', 'target': 'gt'}}, data_root=None)


def test_missing_folder_empty_folder_and_missing_clean_image(root):
    with pytest.raises(FileNotFoundError, match='Data folder .*nope does not exist'):
        make(root, sources={'rain': {'input': 'nope', 'target': 'gt'}})
    (root / 'empty').mkdir()
    with pytest.raises(ValueError, match='empty holds no images'):
        make(root, sources={'rain': {'input': 'in', 'target': 'empty'}})
    (root / 'gt' / '1.png').unlink()
    with pytest.raises(ValueError, match=r'1 of 3 degraded images .*: 1\.png\. .*strict: false'):
        make(root)


def test_index_out_of_range(root):
    with pytest.raises(IndexError):
        make(root)[3]


def test_both_images_are_resized_before_anything_else(tmp_path):
    """As the raindrop test of M2Restore's code: images of whatever sizes become 36x24."""
    save(tmp_path / 'in/1.png', picture(0, 26, 40))
    save(tmp_path / 'gt/1.png', picture(1, 25, 37))
    item = make(tmp_path, resize=(36, 24))[0]
    for key, folder in (('image', 'in'), ('target', 'gt')):
        with Image.open(tmp_path / folder / '1.png') as image:
            wanted = np.asarray(image.resize((36, 24), Image.Resampling.BICUBIC))
        assert (item[key].permute(1, 2, 0) * 255).round().numpy().astype(int).tolist() == (
            wanted.tolist()
        )
