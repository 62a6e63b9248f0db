import pytest
import torch
from torch import nn

from irbox.restore.memory_need import LiveTensors, MemoryNeed, measure_need
from irbox.structures import Context
from support.small_model import small_model

CPU = torch.device('cpu')


def test_live_tensors_are_counted_as_they_come_and_go():
    weight = torch.ones(1000)
    with LiveTensors() as live:
        first = weight * 2  # 4000
        second = first + 1  # 8000
        view = second[10:]
        weight.view(10, 100)
        del first  # 4000
        third = view * 3  # 3960 more
        assert live.live == 4000 + 3960
        del second, third  # the view keeps its storage
        assert live.live == 4000
        del view
    assert live.peak == 8000
    assert live.live == 0


def test_what_a_network_needs_is_a_line():
    class Doubling(nn.Module):
        def forward(self, image, context):
            wide = image.repeat(1, 10, 1, 1)  # 30 floats a pixel
            return (wide + 1)[:, :3]  # 30 more, while the others live

    need = measure_need(Doubling(), Context(torch.zeros(1, 3, 8, 8)), CPU, torch.float32)
    assert 240 <= need.per_pixel <= 1.5 * 240
    assert need.of(1000) == need.fixed + 1000 * need.per_pixel
    assert need.pixels(need.of(1000)) in (999, 1000)


def test_the_line_holds_for_larger_images():
    network = small_model().network
    context = network.describe(torch.rand(1, 3, 32, 32))
    need = measure_need(network, context, CPU, torch.float32)
    image = torch.rand(1, 3, 200, 160)
    with torch.inference_mode(), LiveTensors() as live:
        network(image, context)
    assert live.peak <= need.of(200 * 160) <= 2 * live.peak + 2**27


def test_no_image_is_smaller_than_the_network_takes():
    sides = []

    def network(image, context):
        sides.append(image.shape[-1])
        return image + 1

    context = Context(torch.zeros(1, 3, 8, 8))
    needs = [measure_need(network, context, CPU, torch.float32, least) for least in (1, 32, 33)]
    assert sides == [32, 32, 64, 32, 32, 64, 64, 64, 128]
    assert needs[0].per_pixel == pytest.approx(needs[2].per_pixel)


def test_nothing_fits_into_nothing():
    assert MemoryNeed(100, 2).pixels(50) == 0
