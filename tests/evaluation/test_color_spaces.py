import math

import numpy as np
import pytest
import torch

from irbox.evaluation.color_spaces import to_color_space


def test_rgb_is_the_image_itself():
    image = torch.rand(1, 3, 2, 2)
    assert to_color_space(image, 'rgb') is image


def test_luma_of_known_colors_and_of_grey_errors():
    """BT.601: black 16, white 235, and the primaries as ITU tables have them, of 255."""
    colors = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    luma = to_color_space(colors.T.reshape(1, 3, 1, 5), 'y601')
    assert luma.shape == (1, 1, 1, 5)
    np.testing.assert_allclose(255 * luma.flatten(), [16, 235, 81.481, 144.553, 40.966], rtol=1e-5)
    grey = torch.full((1, 3, 1, 1), 0.1)
    shrunk = to_color_space(grey, 'y601') - to_color_space(0 * grey, 'y601')
    assert 20 * math.log10(0.1 / shrunk.item()) == pytest.approx(1.32, abs=0.005)


def test_rounded_luma_is_whole_levels_of_8_bits():
    pixels = torch.randint(0, 256, (1, 3, 40, 50), generator=torch.Generator().manual_seed(0))
    red, green, blue = pixels[0].double().numpy()
    luma = 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255
    found = 255 * to_color_space(pixels.double() / 255, 'y601_rounded')[0, 0]
    np.testing.assert_allclose(found, np.floor(luma + 0.5), rtol=0, atol=1e-9)


def test_what_the_public_evaluator_takes_for_luma():
    image = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    found = to_color_space(image.to(memory_format=torch.channels_last), 'legacy')
    assert found.shape == (2, 1, 4, 5)
    for one, luma in zip(image, found, strict=True):
        memory = one.flatten().tolist()
        pixels = [memory[3 * i : 3 * i + 3] for i in range(20)]
        wanted = [0.114 * a + 0.587 * b + 0.299 * c for a, b, c in pixels]
        np.testing.assert_allclose(luma.flatten(), wanted)


def test_another_space():
    with pytest.raises(ValueError, match="'lab' is unknown. Choose one of 'rgb', 'y601', 'y601_r"):
        to_color_space(torch.zeros(1, 3, 1, 1), 'lab')
