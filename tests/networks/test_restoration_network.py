import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from irbox.networks import RestorationNetwork
from irbox.structures import Context


class Halves(RestorationNetwork):
    """Keeps what it saw, and answers with what can be told from the image."""

    multiple = 4

    def __init__(self):
        super().__init__()
        self.layers = nn.Conv2d(3, 3, 1)
        self.seen = []

    def restore(self, padded, context):
        self.seen.append((padded, context))
        return padded / 2


@pytest.fixture
def network():
    return Halves()


@pytest.mark.parametrize('size', [(1, 1), (4, 8), (5, 6), (2, 9)])
def test_restore_sees_a_padded_image_and_its_answer_is_cropped(network, size):
    image = torch.rand(2, 3, *size)
    assert torch.equal(network(image), image / 2)
    padded, context = network.seen[0]
    assert all(side % 4 == 0 for side in padded.shape[-2:])
    assert context.image is padded
    assert padded.is_contiguous(memory_format=torch.channels_last)


def test_pads_by_reflection(network):
    image = torch.rand(1, 3, 6, 7)
    network(image)
    assert torch.equal(network.seen[0][0], F.pad(image, (0, 1, 0, 2), mode='reflect'))


def test_the_given_context_is_used_and_keeps_its_records(network):
    image = torch.rand(1, 3, 5, 5)
    given = Context(image=image, prompt=torch.ones(1, 2))
    network(image, given)
    seen = network.seen[0][1]
    assert seen.prompt is given.prompt and seen.routings is given.routings
    assert given.image is image


def test_the_input_is_scaled_and_described_unscaled(network):
    network.input_range = (-1, 1)
    image = torch.rand(1, 3, 4, 4)
    network(image)
    torch.testing.assert_close(network.seen[0][0], 2 * image - 1)
    assert network.describe(image).image is image


def test_an_overridden_description_reaches_restore():
    class Described(Halves):
        def describe(self, image):
            return replace(super().describe(image), prompt=image.mean((2, 3)))

    network, image = Described(), torch.rand(2, 3, 3, 3)
    network(image)
    assert torch.equal(network.seen[0][1].prompt, image.mean((2, 3)))


def test_its_places_are_its_children(network):
    assert network.places() == {'layers': network.layers}


def test_compiles_into_one_graph():
    class Plain(RestorationNetwork):
        multiple = 2

        def restore(self, padded, context):
            return padded + 1

    image = torch.rand(1, 3, 5, 6)
    compiled = torch.compile(Plain(), backend='eager', fullgraph=True)
    torch.testing.assert_close(compiled(image), image + 1)


def test_can_be_copied(network):
    image = torch.rand(1, 3, 4, 4)
    assert torch.equal(copy.deepcopy(network)(image), network(image))


@pytest.mark.parametrize(
    ('image', 'text'),
    [
        (torch.rand(3, 8, 9), r'got \(3, 8, 9\): give image\[None\], a batch of one\.'),
        (torch.rand(8, 9, 3), r'got \(8, 9, 3\): give image.permute\(2, 0, 1\)\[None\]\.'),
        (torch.rand(1, 8, 9, 3), r'give image.permute\(0, 3, 1, 2\)\.'),
        (torch.rand(1, 4, 8, 9), r'got \(1, 4, 8, 9\): give image\[:, :3\], without alpha\.'),
        (torch.rand(1, 1, 8, 9), r'give image.expand\(-1, 3, -1, -1\), gray as RGB\.'),
        (torch.rand(8, 9), r'got \(8, 9\): bring it into this shape\.'),
        (torch.rand(1, 3, 0, 9), r'one pixel or more, got \(1, 3, 0, 9\)'),
        (
            torch.zeros(1, 3, 8, 9, dtype=torch.uint8),
            r'got torch.uint8: give image.float\(\) / 255',
        ),
        (torch.rand(1, 3, 8, 9).numpy(), 'got ndarray: make one with torch.from_numpy'),
    ],
)
def test_what_is_no_image_gets_one_sentence(network, image, text):
    for call in (network, network.describe):
        with pytest.raises(ValueError, match=text) as caught:
            call(image)
        assert '\n' not in str(caught.value)
    assert not network.seen


@pytest.mark.parametrize(
    'remedy',
    [
        lambda: torch.rand(3, 8, 9)[None],
        lambda: torch.rand(8, 9, 3).permute(2, 0, 1)[None],
        lambda: torch.rand(1, 4, 8, 9)[:, :3],
        lambda: torch.rand(1, 1, 8, 9).expand(-1, 3, -1, -1),
        lambda: torch.zeros(1, 3, 8, 9, dtype=torch.uint8).float() / 255,
    ],
)
def test_the_remedies_help(network, remedy):
    assert network(remedy()).shape == (1, 3, 8, 9)


def test_an_answer_of_another_size_is_refused():
    class Shrinks(RestorationNetwork):
        def restore(self, padded, context):
            return padded[..., 1:]

    with pytest.raises(
        ValueError, match=r'Shrinks.restore gives \(1, 3, 4, 4\) for \(1, 3, 4, 5\)'
    ):
        Shrinks()(torch.rand(1, 3, 4, 5))


def test_a_network_without_restore_says_so():
    with pytest.raises(NotImplementedError, match='RestorationNetwork does not define restore'):
        RestorationNetwork()(torch.rand(1, 3, 4, 5))
