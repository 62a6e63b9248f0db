"""What the towers see, against Pillow and against M2Restore's own preparation."""

import open_clip
import pytest
import torch
from PIL import Image
from skimage import data
from torchvision import transforms

from irbox.priors.daclip.preprocess import STATISTICS, prepare
from support.waits import Waits


def photo(name):
    return torch.from_numpy(getattr(data, name)().copy()).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize('name', ['astronaut', 'coffee', 'chelsea'])
def test_close_to_pillow(name):
    """open_clip's own preparation of 8-bit images, which the fork shares to the bit."""
    expected = open_clip.image_transform(224, is_train=False)(
        Image.fromarray(getattr(data, name)())
    )
    difference = prepare(photo(name), 224, 'bicubic', 'clip')[0] - expected
    levels = difference.abs() * torch.tensor(STATISTICS['clip'][1]).view(3, 1, 1) * 255
    assert levels.mean() < 0.4
    assert levels.max() < 12


@pytest.mark.parametrize('size', [(480, 720), (224, 224), (50, 301), (7, 5)])
def test_m2restores_preparation(size):
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    theirs = transforms.Compose(
        [transforms.Resize(224, antialias=True), transforms.CenterCrop(224)]
    )
    torch.testing.assert_close(
        prepare(image, 224, 'bilinear', 'half'), theirs((image - 0.5) / 0.5), atol=1e-5, rtol=0
    )


def test_an_image_of_the_towers_size_is_only_normalised():
    image = torch.rand(1, 3, 224, 224)
    assert torch.equal(prepare(image, 224, 'bicubic', 'none'), image)
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in STATISTICS['clip'])
    torch.testing.assert_close(
        prepare(image, 224, 'bicubic', 'clip'), (image - mean) / deviation, atol=1e-6, rtol=0
    )


def test_overshoot_is_clipped():
    edge = torch.zeros(1, 3, 64, 64)
    edge[..., 32:] = 1
    pixels = prepare(edge, 224, 'bicubic', 'none')
    assert pixels.min() == 0
    assert pixels.max() == 1


def test_a_device_is_sent_nothing():
    with Waits() as waits:
        prepare(torch.zeros(1, 3, 40, 50, device='meta'), 32, 'bicubic', 'clip')
    assert waits.found == []
