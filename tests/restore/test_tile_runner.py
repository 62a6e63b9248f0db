import numpy as np
import pytest
import torch
from torch import nn

from irbox.restore.report import Report
from irbox.restore.tile_runner import GuardError, TileRunner
from irbox.structures import Context, Routing

CPU = torch.device('cpu')


class Scarce(nn.Module):
    """Runs out of memory above a number of pixels, as each device says it."""

    multiple = 4

    def __init__(self, most=10**9, error=None, answer=None):
        super().__init__()
        self.most, self.error, self.answer = most, error, answer
        self.seen, self.refused = [], 0

    def forward(self, image, context):
        height, width = image.shape[-2:]
        if height * width > self.most:
            self.refused += 1
            raise self.error
        self.seen.append((height, width))
        context.record(Routing(torch.ones(1, 2, height, width), torch.ones(2)))
        return image if self.answer is None else self.answer(image)


ERRORS = [
    MemoryError(),
    torch.OutOfMemoryError('CUDA out of memory'),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 5 bytes"),
]


def runner(network, **options):
    report = Report((0, 0), 0, 'cpu', 'float32')
    options = {'dtype': torch.float32, 'overlap': 8} | options
    return TileRunner(network, CPU, report=report, **options)


@pytest.mark.parametrize('error', ERRORS)
def test_tiles_are_halved_and_the_answer_is_whole(error):
    network = Scarce(1200, error)
    run = runner(network)
    tile = torch.rand(1, 3, 60, 68)
    context = Context(torch.zeros(1))
    torch.testing.assert_close(run(tile, context), tile)
    assert max(height * width for height, width in network.seen) <= 1200
    refused = network.refused
    torch.testing.assert_close(run(tile, context), tile)
    assert network.refused == refused, 'what was found out holds for later tiles'
    assert run.report.notes[0].startswith('out of memory at 60x68: went on at 60x')


def test_a_size_that_was_set_is_never_overridden():
    network = Scarce(100, MemoryError())
    with pytest.raises(ValueError, match=r'does not suffice for tiles of 64x64, the size that was'):
        runner(network, fixed=True)(torch.rand(1, 3, 64, 64), Context(torch.zeros(1)))
    assert not network.seen


def test_the_smallest_tile_is_the_end():
    with pytest.raises(ValueError, match='the smallest'):
        runner(Scarce(0, MemoryError()))(torch.rand(1, 3, 64, 64), Context(torch.zeros(1)))


def test_other_errors_are_not_taken_for_memory():
    with pytest.raises(RuntimeError, match='shapes differ'):
        runner(Scarce(0, RuntimeError('shapes differ')))(
            torch.rand(1, 3, 64, 64), Context(torch.zeros(1))
        )


def in_half(image):
    return torch.is_autocast_enabled('cpu')


@pytest.mark.parametrize(
    ('spoil', 'fault'),
    [
        (lambda image: image * float('nan'), 'not finite'),
        (lambda image: image * 0, 'black'),
        (lambda image: image + 0.4, 'of another mean color'),
    ],
)
def test_half_precision_is_repeated_in_full(spoil, fault):
    network = Scarce(answer=lambda image: spoil(image) if in_half(image) else image)
    run = runner(network, dtype=torch.bfloat16)
    tile = torch.rand(1, 3, 16, 16) * 0.5 + 0.1
    torch.testing.assert_close(run(tile, Context(torch.zeros(1))), tile)
    assert len(network.seen) == 2
    assert f'a tile was {fault}' in run.report.notes[0]
    assert 'bfloat16: computed again in float32' in run.report.notes[0]


def test_a_color_that_full_precision_confirms_is_believed():
    network = Scarce(answer=lambda image: image + 0.4)
    run = runner(network, dtype=torch.bfloat16)
    tile = torch.rand(1, 3, 16, 16) * 0.5
    for _ in range(3):
        run(tile, Context(torch.zeros(1)))
    assert len(network.seen) == 4
    assert any('look at the result' in note for note in run.report.notes)


def test_what_is_not_finite_in_full_precision_is_no_picture():
    network = Scarce(answer=lambda image: image * float('nan'))
    with pytest.raises(GuardError, match='not finite'):
        runner(network)(torch.rand(1, 3, 16, 16), Context(torch.zeros(1)))


def test_self_ensemble_is_the_mean_over_eight():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 3, 3, padding=1)
    network = Scarce(answer=conv)
    tile = torch.rand(1, 3, 8, 12)
    with torch.inference_mode():
        answer = runner(network, self_ensemble=True)(tile, Context(torch.zeros(1)))
        expected = []
        for flip in (False, True):
            for turns in range(4):
                array = tile[0].permute(1, 2, 0).numpy()
                array = np.rot90(array[:, ::-1] if flip else array, turns)
                image = torch.from_numpy(array.copy()).permute(2, 0, 1)[None]
                out = np.rot90(conv(image)[0].permute(1, 2, 0).numpy(), -turns)
                expected.append(out[:, ::-1] if flip else out)
    assert sorted(set(network.seen)) == [(8, 12), (12, 8)]
    assert len(network.seen) == 8
    mean = torch.from_numpy(np.mean(expected, axis=0)).permute(2, 0, 1)
    torch.testing.assert_close(answer[0], mean)
