"""Whether answers are equal, and how long they take."""

import pytest
import torch
from torch import nn

from irbox.graphs.agreement import DRAWS, LIMIT
from irbox.networks.restoration_network import RestorationNetwork
from irbox.restore.runtimes.choice import TIE, Choice, fastest
from irbox.restore.runtimes.probes import RUNS, Probes, probe

SIZE = (40, 56)


class Doubling(RestorationNetwork):
    def restore(self, padded, context):
        return padded * 2


class Other(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.change, self.seen = change, 0

    def forward(self, image, context):
        self.seen += 1
        return self.change(image * 2, self.seen)


def fault(change, dtype=torch.float32):
    other = Other(change)
    return Probes(Doubling(), dtype, SIZE).fault(other), other.seen


def deviation():
    return float((probe(SIZE, 0) * 2).numpy().std())


@pytest.mark.parametrize(('share', 'equal'), [(0.9, True), (1.1, False)])
def test_a_value_may_be_off_by_the_limit(share, equal):
    off = share * LIMIT * deviation()
    found, _ = fault(lambda answer, _: answer + off)
    assert (found is None) == equal


def test_images_are_always_the_same_and_differ():
    assert torch.equal(probe(SIZE, 0), probe(SIZE, 0))
    assert not torch.equal(probe(SIZE, 0), probe(SIZE, 1))
    image = probe(SIZE, 0)
    assert image.shape == (1, 3, *SIZE) and image.min() >= 0 and image.max() <= 1
    assert image.std() > 0.1


def one_pixel(answer, times):
    answer = answer.clone()
    answer[0, :, 3, 5] += 1
    return answer


def test_a_pixel_that_is_undecided_once_is_no_fault():
    found, seen = fault(lambda answer, time: one_pixel(answer, time) if time == 1 else answer)
    assert found is None and seen == 2


def test_a_pixel_that_is_wrong_in_every_image_is_one():
    found, seen = fault(one_pixel)
    assert 'differs from torch' in found and seen == DRAWS


def test_another_size_and_no_numbers_are_faults():
    assert 'another size' in fault(lambda answer, _: answer[..., 1:])[0]
    assert 'not finite' in fault(lambda answer, _: answer * torch.nan)[0]


def test_runs_take_turns_and_the_first_does_not_count():
    now, order = [0.0], []

    def costs(name, seconds):
        def run(image, context):
            first = name not in order
            order.append(name)
            now[0] += 100 if first else seconds.pop(0)
            return image

        return run

    networks = {'a': costs('a', [3, 1, 2]), 'b': costs('b', [5, 6, 7])}
    found = Probes(Doubling(), torch.float32, SIZE, clock=lambda: now[0]).seconds(networks)
    assert found == {'a': 1, 'b': 5}
    assert order == ['a', 'b'] * (RUNS + 1)


@pytest.mark.parametrize(
    ('seconds', 'taken'),
    [
        ({'torch': 1.0}, 'torch'),
        ({'torch': 1.0, 'openvino': 0.9}, 'openvino'),
        ({'torch': 1.0, 'openvino': 1 - TIE + 0.001}, 'torch'),
        ({'torch': 1.0, 'openvino': 0.9, 'onnxruntime': 0.8}, 'onnxruntime'),
        ({'torch': 1.0, 'openvino': 1.1, 'onnxruntime': 0.8}, 'onnxruntime'),
    ],
)
def test_the_fastest_is_taken_but_torch_wins_ties(seconds, taken):
    assert fastest(seconds) == taken


def test_a_choice_says_its_figures_the_fastest_first():
    choice = Choice('openvino', {'torch': 0.4, 'openvino': 0.3123}, {'onnxruntime': 'no'})
    assert str(choice) == 'openvino 0.312 s, torch 0.4 s; not onnxruntime: no'
