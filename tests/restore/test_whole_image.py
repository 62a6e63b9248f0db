import numpy as np
import pytest
import torch

from irbox.restore.arrays import open_image
from irbox.restore.whole_image import close_ups, describe_picture, shrunk
from irbox.structures import Context, DegradationPrior


def test_small_images_are_seen_as_they_are():
    image = torch.rand(3, 20, 30)
    torch.testing.assert_close(shrunk(open_image(image))[0], image)


@pytest.mark.parametrize('size', [(2000, 300), (301, 2003), (8, 3000), (3000, 1)])
def test_large_images_are_means_of_squares(size):
    image = np.random.default_rng(0).random((*size, 3)).astype(np.float32)
    small = shrunk(open_image(image), most=1000)
    factor = int(np.ceil(np.sqrt(size[0] * size[1] / 1000)))
    kernel = min(factor, size[0]), min(factor, size[1])
    assert small.shape[2:] == (-(-size[0] // kernel[0]), -(-size[1] // kernel[1]))
    first = image[: kernel[0], : kernel[1]].mean((0, 1))
    np.testing.assert_allclose(small[0, :, 0, 0], first, rtol=1e-4)
    last = image[(small.shape[2] - 1) * kernel[0] :, (small.shape[3] - 1) * kernel[1] :]
    np.testing.assert_allclose(small[0, :, -1, -1], last.mean((0, 1)), rtol=1e-4)


def test_close_ups_are_the_picture_s_own_pixels():
    image = np.random.default_rng(0).random((400, 600, 3)).astype(np.float32)
    parts = close_ups(open_image(image), side=100)
    assert parts.shape == (4, 3, 100, 100)
    for part, (top, left) in zip(
        parts, [(50, 100), (50, 400), (250, 100), (250, 400)], strict=True
    ):
        expected = image[top : top + 100, left : left + 100].transpose(2, 0, 1)
        np.testing.assert_array_equal(part, expected)


@pytest.mark.parametrize('size', [(1, 3000), (3000, 8), (60, 90)])
def test_close_ups_of_thin_pictures(size):
    parts = close_ups(open_image(np.zeros((*size, 3), np.uint8)), side=100)
    assert parts.shape == (4, 3, min(size[0], 100), min(size[1], 100))


def deviation(images):
    """Believe in noise as far as pixels differ."""
    share = images.std((1, 2, 3)).clamp(0, 1)
    probabilities = torch.stack([share, 1 - share], 1)
    return Context(images, DegradationPrior(share[:, None], probabilities, -share[:, None]))


def test_noise_of_a_large_picture_is_seen():
    image = open_image(np.random.default_rng(0).random((600, 900, 3)).astype(np.float32))
    small = shrunk(image, most=600 * 900 // 25)
    context = describe_picture(deviation, image, small, torch.device('cpu'))
    true, weak = deviation(image.colors()[None]).prior, deviation(small).prior
    for name in ('probabilities', 'features', 'content'):
        believed, full, faint = (getattr(one, name) for one in (context.prior, true, weak))
        assert believed.shape == full.shape
        torch.testing.assert_close(believed, full, atol=2e-3, rtol=0)
        assert (believed - faint).abs().max() > 0.1, 'means of squares have less of it'
    assert context.image.shape == small.shape
    assert context.prompt is None


def test_a_small_picture_is_described_once():
    calls = []
    image = open_image(torch.rand(3, 20, 30))
    describe_picture(
        lambda one: calls.append(one.shape) or Context(one),
        image,
        shrunk(image),
        torch.device('cpu'),
    )
    assert calls == [(1, 3, 20, 30)]
