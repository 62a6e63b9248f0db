import numpy as np
import pytest
import torch

from irbox.restore.arrays import open_image
from irbox.restore.whole_image import shrunk


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
