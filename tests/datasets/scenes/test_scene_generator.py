import numpy as np
import pytest

from irbox.datasets.scenes.layouts.landscape import landscape
from irbox.datasets.scenes.scene_generator import LAYOUTS, SceneGenerator, make_generator

OFF = {
    'shapes': False,
    'textures': False,
    'depth_of_field': False,
    'light': False,
    'tones': False,
    'details': 0,
}


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('size', [64, 75])
def test_a_scene_is_a_picture_with_depth(layout, size):
    scene = SceneGenerator(size, layouts={layout: 1}).draw(3)
    assert scene.image.shape == (size, size, 3)
    assert scene.image.dtype == np.uint8
    assert scene.depth.shape == (size, size)
    assert scene.depth.dtype == np.float32
    assert 0 < scene.depth.min() < scene.depth.max() <= 1
    assert scene.image.std() > 2


def test_a_scene_depends_on_seed_and_number_alone():
    first = SceneGenerator(48).draw(5)
    other = SceneGenerator(48)
    other.draw(1)
    again = other.draw(5)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.depth, again.depth)
    for different in (SceneGenerator(48).draw(6), SceneGenerator(48, seed=1).draw(5)):
        assert (different.image != first.image).mean() > 0.3


@pytest.mark.parametrize('principle', OFF)
def test_each_principle_can_be_switched_off(principle):
    """And changes some scenes, but not all that is in them."""
    changed = [
        (SceneGenerator(48, **{'details': 1, principle: OFF[principle]}).draw(number).image).astype(
            int
        )
        - SceneGenerator(48, details=1).draw(number).image
        for number in range(2)
    ]
    assert np.abs(changed).max() > 8


def test_with_everything_off_it_is_discs_in_flat_colors():
    scene = SceneGenerator(128, layouts={'leaves': 1}, **OFF).draw(0)
    colors, counts = np.unique(scene.image.reshape(-1, 3), axis=0, return_counts=True)
    # Most pixels are inside of something, and all of its pixels are the same.
    assert np.sort(counts)[::-1][:300].sum() > 0.3 * counts.sum()


def test_the_top_of_a_landscape_is_far_and_its_bottom_near():
    depths = [SceneGenerator(64, layouts={'landscape': 1}).draw(n).depth for n in range(4)]
    for depth in depths:
        assert np.median(depth[:4]) > np.median(depth[-4:])
    assert landscape is LAYOUTS['landscape']


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'layouts': {'landscap': 1}}, "Did you mean 'landscape'"),
        ({'layouts': {'leaves': 0}}, 'all weights are 0'),
        ({'lights': True}, "Did you mean 'light'"),
        ({'size': 0}, 'scenes.size: 0'),
        ({'details': 2}, 'scenes.details: 2'),
    ],
)
def test_mistakes_are_named(options, text):
    with pytest.raises(ValueError, match=text):
        make_generator(options)
