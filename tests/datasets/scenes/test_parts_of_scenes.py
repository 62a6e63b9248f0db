"""Outlines, textures, light and camera, each alone."""

import numpy as np
import pytest

from irbox.datasets.scenes.color_model import draw_palette
from irbox.datasets.scenes.concave_hull import concave_hull
from irbox.datasets.scenes.details import LETTERS, letter
from irbox.datasets.scenes.lens import Lens
from irbox.datasets.scenes.light import Light
from irbox.datasets.scenes.outlines import OTHERS, disc, draw_outline
from irbox.datasets.scenes.patterns import PATTERNS, draw_pattern
from irbox.datasets.scenes.power_noise import power_noise
from irbox.datasets.scenes.render import View, render
from irbox.datasets.scenes.scene_kit import SceneKit
from irbox.datasets.scenes.surfaces import SurfaceList
from irbox.datasets.scenes.texture_sheets import TextureSheets
from irbox.datasets.scenes.tone import MOODS, Tone


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize('draw', [disc, concave_hull, draw_outline, *OTHERS])
def test_outlines_are_closed_lines_of_about_radius_one(draw):
    for seed in range(10):
        outline = draw(rng(seed))
        points = np.concatenate(outline)
        assert all(contour.shape[1] == 2 and len(contour) >= 3 for contour in outline)
        assert 0.2 < np.linalg.norm(points, axis=1).max() < 1.5


def area(contour):
    x, y = contour.T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


def test_hulls_are_concave_and_some_have_holes():
    hulls = [concave_hull(rng(seed)) for seed in range(30)]
    # Inside of a contour or outside of all others: holes are second contours.
    assert any(len(hull) > 1 for hull in hulls)
    areas = [max(map(area, hull)) for hull in hulls]
    assert 0.1 < np.median(areas) < 2.6
    convex = [max(map(area, concave_hull(rng(seed), points=60, ratio=1))) for seed in range(8)]
    ragged = [max(map(area, concave_hull(rng(seed), points=60))) for seed in range(8)]
    assert np.mean(convex) > 1.15 * np.mean(ragged)


@pytest.mark.parametrize('character', LETTERS)
def test_letters_have_outlines(character):
    outline, width = letter(character)
    assert len(outline) >= 1
    assert 0.1 < width < 1.5
    holes = {'A': 1, 'B': 2, 'C': 0}
    if character in holes:
        assert len(outline) == 1 + holes[character]


@pytest.mark.parametrize('pattern', dict.fromkeys(PATTERNS))
def test_patterns_lie_in_range_and_vary(pattern):
    for seed in range(4):
        sheet = pattern(rng(seed), 128)
        assert sheet.shape == (128, 128)
        assert -0.2 <= sheet.min() < sheet.max() <= 1.2
    assert draw_pattern(rng(), 128).dtype == np.float32


def test_noise_is_standard_periodic_and_has_a_direction():
    noise = power_noise(rng(), 128, 2.0, channels=2)
    np.testing.assert_allclose(noise.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(noise.std((1, 2)), 1, rtol=1e-5)
    inside, across = (
        np.abs(np.diff(noise, axis=1)).mean(),
        np.abs(noise[:, 0] - noise[:, -1]).mean(),
    )
    assert across < 2 * inside
    long = power_noise(rng(), 128, 2.0, stretch=30)[0]
    assert np.abs(np.diff(long, axis=1)).mean() < 0.5 * np.abs(np.diff(long, axis=0)).mean()


@pytest.fixture(scope='module')
def sheets():
    return TextureSheets(rng(), draw_palette(rng()), 64, count=5)


def test_textures_repeat_have_mean_zero_and_blur_with_the_scale(sheets):
    y, x = np.mgrid[:64, :64].astype(np.float32)
    number, one = np.full((64, 64), 3), np.ones((64, 64), np.float32)
    found = sheets.look_up(number, x, y, one)
    np.testing.assert_allclose(found.mean((0, 1)), 0, atol=0.05)
    np.testing.assert_allclose(sheets.look_up(number, x + 64, y - 128, one), found, atol=1e-3)
    blurred = sheets.look_up(number, x, y, 8 * one)
    assert blurred[..., 0].std() < found[..., 0].std()


def test_a_plane_is_rendered_at_its_depth(sheets):
    kit = SceneKit(rng(), draw_palette(rng()), sheets.count, True, True)
    surfaces = SurfaceList(32)
    looks = kit.looks(2)
    looks['center'], looks['radius'] = 16, 16
    looks['disparity'] = [(1.25, 0, 0), (4, 0, 2)]
    surfaces.add([surfaces.whole, [np.array([[8, 8], [24, 8], [24, 24], [8, 24]])]], looks)
    view = render(surfaces, sheets)
    assert view.depth[2, 2] == pytest.approx(0.8)
    # Disparity grows downwards by 2 over the radius of 16.
    for row in (10, 16, 22):
        assert view.depth[row, 16] == pytest.approx(1 / (4 + 2 * (row - 16) / 16), rel=1e-5)
    assert view.albedo.dtype == np.float32
    assert 0 <= view.albedo.min() <= view.albedo.max() <= 1


def view_of(depth, normal=0.0):
    shape = depth.shape
    white = np.ones((*shape, 3), np.float32)
    return View(white, depth, np.full((*shape, 2), normal, np.float32), np.zeros(shape, np.float32))


def test_what_faces_the_light_is_brighter_and_near_things_throw_shadows():
    depth = np.full((128, 128), 0.5, np.float32)
    brighter = shadows = 0
    for seed in range(8):
        light = Light(rng(seed))
        right, down, _ = light.sources[0].direction
        towards = view_of(depth)
        towards.normal[:] = np.array([right, down], np.float32)
        away = view_of(depth)
        away.normal[:] = -towards.normal
        brighter += light.shine(towards).mean() > light.shine(away).mean()
        blocked = depth.copy()
        blocked[48:80, 48:80] = 0.4
        difference = light.shine(view_of(blocked))[..., 0] - light.shine(view_of(depth))[..., 0]
        shadows += difference.min() < -0.02
        # Only what lies behind gets dark.
        assert difference[60:68, 60:68].min() > -0.02
    assert brighter == 8
    assert shadows >= 6


def test_nights_are_dark_but_for_lamps():
    view = view_of(np.full((64, 64), 0.5, np.float32))
    day, night = Light(rng(3)).shine(view), Light(rng(3), night=True).shine(view)
    # Far from the lamps.
    assert night.min() < 0.5 * day.min()
    assert np.ptp(night.mean(-1)) > 3 * np.ptp(day.mean(-1))


def test_the_lens_blurs_what_is_out_of_focus_alone():
    picture = rng().random((64, 64, 3), dtype=np.float32)
    depth = np.full((64, 64), 0.2, np.float32)
    depth[:, 32:] = 1
    lens = Lens(rng(1), blur=6)
    lens.focus = 0.9  # near
    seen = lens.photograph(picture, depth)
    np.testing.assert_allclose(seen[:, :20], picture[:, :20], atol=1e-5)
    assert seen[:, 48:].std() < 0.3 * picture[:, 48:].std()
    np.testing.assert_allclose(seen[:, 48:].mean(), picture[:, 48:].mean(), atol=0.02)
    np.testing.assert_array_equal(Lens(rng(), blur=0).photograph(picture, depth), picture)


@pytest.mark.parametrize('radius', [0.8, 2.5, 7.0])
def test_apertures_let_all_light_through(radius):
    kernel = Lens(rng(2))._kernel(radius)
    assert kernel.sum() == pytest.approx(1)
    y, x = np.indices(kernel.shape) - kernel.shape[0] // 2
    assert (kernel * x).sum() == pytest.approx(0, abs=0.15)
    assert (kernel[np.hypot(x, y) > radius + 1] == 0).all()


@pytest.mark.parametrize('mood', MOODS)
def test_moods_are_what_they_are_called(mood):
    light = rng().random((64, 64, 3), dtype=np.float32) ** 3
    pictures = [Tone(rng(seed), mood).develop(light) for seed in range(6)]
    means = [picture.mean() for picture in pictures]
    assert all(picture.min() >= 0 and picture.max() <= 1 for picture in pictures)
    if mood == 'nothing_dark':
        assert min(picture.min() for picture in pictures) > 0.1
    if mood == 'nothing_bright':
        assert max(picture.max() for picture in pictures) < 0.8
    if mood == 'dark':
        assert max(means) < 0.4
    if mood == 'bright':
        assert min(means) > 0.4
