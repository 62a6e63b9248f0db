"""The loss is what loops over pixels, cells and blocks give."""

import math

import numpy as np
import pytest
import torch

from irbox.losses import HOGLoss
from irbox.losses.hog_loss import _histograms
from irbox.structures import Context
from irbox.testing import check_loss


def test_promises():
    check_loss(HOGLoss)


def histograms(image):
    """Of an image (3, H, W), by loops."""
    red, green, blue = image
    padded = np.pad(0.299 * red + 0.587 * green + 0.114 * blue, 1)
    height, width = red.shape
    sobel = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))
    cells = np.zeros((height // 8, width // 8, 9))
    for y in range(height // 8 * 8):
        for x in range(width // 8 * 8):
            window = padded[y : y + 3, x : x + 3]
            dx = sum(sobel[i][j] * window[i, j] for i in range(3) for j in range(3))
            dy = sum(sobel[j][i] * window[i, j] for i in range(3) for j in range(3))
            orientation = abs(math.atan2(dy, dx + 1e-8))
            for bin in range(9):
                apart = abs(orientation - bin * math.pi / 9)
                apart = min(apart, math.pi - apart)
                share = max(0.0, 1 - apart / (math.pi / 9))
                cells[y // 8, x // 8, bin] += share * math.sqrt(dx**2 + dy**2 + 1e-8) / 64
    blocks = []
    for i in range(height // 8 - 1):
        for j in range(width // 8 - 1):
            block = cells[i : i + 2, j : j + 2]
            blocks.append(block / (math.sqrt((block**2).sum()) + 1e-8))
    return np.array(blocks)


def test_it_is_what_loops_give():
    generator = torch.Generator().manual_seed(0)
    restored, target = torch.rand(2, 2, 3, 26, 35, dtype=torch.float64, generator=generator)
    expected = np.mean(
        [
            np.abs(histograms(x) - histograms(y)).mean()
            for x, y in zip(restored.numpy(), target.numpy(), strict=True)
        ]
    )
    found = HOGLoss(weight=2.0)(restored, target, Context(target)).item()
    assert found == pytest.approx(2 * expected, rel=1e-9)


def test_contrast_does_not_matter_and_orientation_does():
    rows = torch.linspace(0, 1, 24).sin().expand(1, 3, 24, 24)
    loss = HOGLoss()
    assert loss(0.5 * rows, rows, Context(rows)).item() < 2e-3
    assert loss(rows.mT, rows, Context(rows)).item() > 0.05


def test_gradients_are_finite_where_all_is_flat():
    target = torch.full((1, 3, 16, 16), 0.5)
    restored = target.clone().requires_grad_()
    HOGLoss()(restored, torch.rand_like(target), Context(target)).backward()
    assert restored.grad.isfinite().all()


def test_automatic_mixed_precision_changes_nothing():
    restored, target = torch.rand(2, 1, 3, 32, 32)
    loss = HOGLoss()
    exact = loss(restored, target, Context(target))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(loss(restored, target, Context(target)), exact)


def test_an_image_without_a_cell_is_refused():
    image = torch.rand(1, 3, 7, 20)
    with pytest.raises(ValueError, match='at least 8x8 pixels.*7x20. Raise patch_size'):
        HOGLoss()(image, image, Context(image))


def test_mirrored_orientations_count_as_one_and_opposite_ones_do_not():
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing='ij')
    rising = ((rows + columns) / 96).expand(1, 3, 48, 48)

    def middle(image):
        return _histograms(image).view(9, 4, 5, 5)[:, :, 2, 2].sum(1)

    torch.testing.assert_close(middle(rising.flip(2)), middle(rising), rtol=0, atol=1e-3)
    # Gradients at 45 degrees, and at 135.
    assert (middle(rising).argmax(), middle(1 - rising).argmax()) == (2, 7)
