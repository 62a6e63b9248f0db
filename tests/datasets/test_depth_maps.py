"""Depth maps of one's own: the part that belongs to the crop, for what knows depth."""

import numpy as np
import pytest
from PIL import Image

from irbox.datasets import PairedImageDataset
from irbox.datasets.depth_maps import DepthMaps
from support.data_trees import save

# Fog of which the answer says the depth: 1 - exp(-d) of white over black.
FOG = {'type': 'Haze', 'beta': 1.0, 'airlight': 1.0, 'depth_cap': 1.0}


@pytest.fixture
def tree(tmp_path):
    """Images whose brightness is their depth, so that crops and turns of both must agree."""
    ramp = np.add.outer(2 * np.arange(60), np.arange(80)).astype(np.uint8)
    for name in ('1', '2'):
        save(tmp_path / 'clean' / f'{name}.png', Image.fromarray(ramp).convert('RGB'))
        save(tmp_path / 'depth' / f'{name}.png', Image.fromarray(ramp))
    return tmp_path


def build(tree, depth='depth', **options):
    source = {'input': 'clean', 'target': 'clean', 'degrade': FOG, 'depth': depth}
    return PairedImageDataset({'fog': source}, str(tree), **options)


@pytest.mark.parametrize(
    'options',
    [{}, {'patch_size': 24}, {'patch_size': 24, 'augment': 'dihedral'}, {'patch_size': 100}]
    + [{'to_multiple': {'multiple': 16, 'policy': 'center_crop'}}, {'resize': (40, 30)}],
)
def test_the_depth_goes_with_the_image(tree, options):
    dataset = build(tree, **options)
    for draw in range(4):
        item = dataset[0, draw]
        depth = item['target'].numpy()
        fog = depth * np.exp(-depth) + 1 - np.exp(-depth)
        np.testing.assert_allclose(item['image'].numpy(), fog, atol=2.5 / 255)


@pytest.mark.parametrize('options', [{}, {'patch_size': 24}])
def test_the_depth_of_images_that_are_cropped_to_their_pair(tree, options):
    for name in ('1', '2'):
        clean = Image.open(tree / 'clean' / f'{name}.png')
        save(tree / 'hazy' / f'{name}.png', clean)
        clean.crop((0, 4, 80, 56)).save(tree / 'clean' / f'{name}.png')
    source = {'input': 'hazy', 'target': 'clean', 'degrade': FOG, 'depth': 'depth'}
    dataset = PairedImageDataset(
        {'fog': source}, str(tree), size_policy='center_crop_to_min', **options
    )
    for draw in range(4):
        item = dataset[0, draw]
        depth = item['target'].numpy()
        fog = depth * np.exp(-depth) + 1 - np.exp(-depth)
        np.testing.assert_allclose(item['image'].numpy(), fog, atol=2.5 / 255)


def test_near_may_be_white(tree):
    item = build(tree, {'folder': 'depth', 'near': 'white'})[0]
    target = item['target'].numpy()
    through = np.exp(-(1 - target))
    expected = target * through + 1 - through
    np.testing.assert_allclose(item['image'].numpy(), expected, atol=2.5 / 255)


@pytest.mark.parametrize(
    'kind', ['16 bits', 'big-endian', 'palette', 'floats', 'color', 'half the size']
)
def test_kinds_of_maps(tree, kind):
    ramp = np.linspace(0, 1, 60)[:, None].repeat(80, 1)
    path = tree / 'depth' / '1.png'
    path.unlink()
    if kind == '16 bits':
        Image.fromarray((ramp * 65535).astype(np.uint16)).save(path)
    elif kind == 'big-endian':
        deep = Image.fromarray((ramp * 65535).astype('>u2'))
        deep.save(path.with_suffix('.tif'))
        assert Image.open(path.with_suffix('.tif')).mode == 'I;16B'
    elif kind == 'palette':
        picture = Image.fromarray((255 - ramp * 255).astype(np.uint8), 'P')
        picture.putpalette([255 - number // 3 for number in range(768)])
        picture.save(path)
    elif kind == 'floats':
        Image.fromarray(ramp.astype(np.float32)).save(path.with_suffix('.tif'))
    else:
        image = Image.fromarray((ramp * 255).astype(np.uint8)).convert('RGB')
        image.resize((40, 30) if kind == 'half the size' else image.size).save(path)
    clean = build(tree)[0]['target'].numpy()
    expected = clean * np.exp(-ramp) + 1 - np.exp(-ramp)
    np.testing.assert_allclose(build(tree)[0]['image'].numpy(), expected, atol=5 / 255)


def test_mistakes_are_named(tree):
    with pytest.raises(FileNotFoundError, match='depth maps .*nope does not exist'):
        build(tree, 'nope')
    with pytest.raises(ValueError, match=r'depth=5 must be a folder, or \{folder'):
        build(tree, 5)
    with pytest.raises(ValueError, match="near='grey' must be black or white"):
        build(tree, {'folder': 'depth', 'near': 'grey'})
    (tree / 'depth' / '2.png').unlink()
    with pytest.raises(ValueError, match=r'1 of 2 images have no depth map in .*depth.* 2\.png'):
        build(tree)
    source = {'input': 'clean', 'target': 'clean', 'depth': 'depth'}
    with pytest.raises(ValueError, match='source x: depth is for `degrade`'):
        PairedImageDataset({'x': source}, str(tree))


def test_a_map_that_is_damaged(tree):
    (tree / 'depth' / '1.png').write_bytes(b'no picture')
    with pytest.raises(ValueError, match=r'depth/1\.png cannot be read'):
        build(tree)[0]
    assert DepthMaps(tree / 'depth').read(tree / 'clean' / '2.png').mode == 'F'
