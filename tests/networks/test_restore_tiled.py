import pytest
import torch
from torch import nn

from irbox.networks.restore_tiled import blended_bands, make_grid, restore_tiled
from irbox.structures import Context
from support.small_model import small_model


class Local(nn.Module):
    """Looks three pixels far, so that tiles with an overlap give what the whole gives."""

    multiple = 4

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 7, padding=3, padding_mode='reflect')
        self.seen = []

    def describe(self, image):
        self.described = image.shape
        return Context(image, prompt=torch.ones(1, 1))

    def forward(self, image, context):
        assert context.image is image
        assert context.prompt is not None
        self.seen.append(tuple(image.shape[-2:]))
        return self.conv(image)


@pytest.mark.parametrize('size', [(50, 61), (1, 90), (90, 1), (8, 300)])
def test_a_local_network_gives_the_same_inside(size):
    network = Local().eval()
    image = torch.rand(2, 3, max(size[0], 8), max(size[1], 8))
    whole = network(image, network.describe(image))
    network.seen.clear()
    tiled = restore_tiled(network, image, tile=24, overlap=12)
    assert network.described == image.shape
    assert max(max(one) for one in network.seen) <= 24
    # At its edge a tile sees its own reflection, but there its weight is small.
    torch.testing.assert_close(tiled, whole.detach(), atol=0.06, rtol=0)
    assert (tiled - whole).abs().mean() < 0.005


def test_a_network_that_does_nothing_gives_the_image_back():
    class Same(Local):
        def forward(self, image, context):
            return image

    image = torch.rand(1, 3, 45, 77)
    torch.testing.assert_close(restore_tiled(Same(), image, tile=16, overlap=4), image)


def test_only_a_band_is_held():
    grid = make_grid((1000, 40), (40, 40), 8, 1)
    bands = [
        (top, rows.shape[1])
        for top, rows in blended_bands(
            grid,
            lambda box: torch.ones(
                3, box.rows.stop - box.rows.start, box.columns.stop - box.columns.start
            ),
        )
    ]
    assert max(rows for _, rows in bands) <= 40
    assert [top for top, _ in bands] == [sum(r for _, r in bands[:n]) for n in range(len(bands))]
    assert sum(rows for _, rows in bands) == 1000


def test_tiles_share_the_context_of_the_whole():
    network = small_model().network
    image = torch.rand(1, 3, 40, 40)
    context = network.describe(image)
    calls = []
    network.prior.register_forward_hook(lambda *_: calls.append(1))
    restored = restore_tiled(network, image, context, tile=24, overlap=8)
    assert restored.shape == image.shape
    assert not calls
    assert len(context.routings) == 4  # one place, four tiles


def step_across(image, columns):
    """Largest difference between neighbors across borders, beyond what the image has there."""
    steps = (image[..., 1:] - image[..., :-1]).diff(dim=-1).abs()
    return max(float(steps[..., column - 2 : column + 1].max()) for column in columns)


def test_no_seams_on_a_smooth_gradient():
    """Each tile answers with an offset of its own, as channel attention makes it."""

    class Offset(Local):
        calls = 0

        def forward(self, image, context):
            self.calls += 1
            return image + 0.05 * (self.calls % 2)

    ramp = torch.linspace(0, 1, 200).expand(1, 3, 40, 200)
    grid = make_grid((40, 200), (64, 64), 32, 4)
    borders = [one for span in grid.columns for one in (span.start, span.stop) if 2 < one < 198]
    blended = restore_tiled(Offset(), ramp, tile=64, overlap=32)
    pasted = restore_tiled(Offset(), ramp, tile=64, overlap=0)
    hard = [span.start for span in make_grid((40, 200), (64, 64), 0, 4).columns[1:]]
    assert step_across(pasted, hard) > 0.04
    assert step_across(blended, borders) < 0.001
