"""An image that needs nothing comes back as it is."""

from dataclasses import replace

import pytest
import torch

from irbox.networks.restore_tiled import restore_tiled
from irbox.registry import MODELS
from irbox.restore.steering import Steering, degradation_names
from irbox.structures import Context
from irbox.testing.reference import textbook
from support.believing_unet import LABELS, SETTINGS, believing_unet, without


def images(count=1, height=21, width=34):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_off_by_default_and_by_zero():
    for network in (
        believing_unet(),
        believing_unet(least_change=0),
        believing_unet(least_change=0.0),
    ):
        assert network.least_change is None
        image = images()
        assert not torch.equal(network(image), image)
        assert torch.equal(network(image), believing_unet()(image))


@torch.no_grad()
@pytest.mark.parametrize('size', [(1, 1), (3, 50), (21, 34), (48, 48)])
def test_a_small_change_of_what_is_clean_is_left_out(size):
    network, image = believing_unet(least_change=3), images(2, *size)
    assert not torch.equal(without(network)(image), image)
    assert torch.equal(network(image), image)
    # And again, and again.
    assert torch.equal(network(network(image)), image)


@torch.no_grad()
@pytest.mark.parametrize(('clean', 'levels'), [(0.7, 12), (0.01, 0.5), (1e-9, 1e-3)])
def test_large_changes_and_those_of_what_is_not_clean_are_made_to_the_bit(clean, levels):
    network, image = believing_unet(clean, levels, least_change=3), images()
    assert torch.equal(network(image), without(network)(image))
    assert not torch.equal(network(image), image)


@torch.no_grad()
def test_between_them_a_part_is_made():
    network, image = believing_unet(least_change=3, levels=3), images(height=24, width=32)
    part, whole = network(image) - image, without(network)(image) - image
    share = (part * whole).sum() / whole.square().sum()
    assert 0.01 < share < 0.99
    torch.testing.assert_close(part, share * whole, atol=1e-6, rtol=0)


def test_training_is_as_without():
    network, image = believing_unet(least_change=3).train(), images(2)
    plain = without(network)
    assert torch.equal(network(image), plain(image))
    assert not torch.equal(network(image), image)
    for one in (network, plain):
        one(image).square().mean().backward()
    pairs = zip(network.named_parameters(), plain.named_parameters(), strict=True)
    for (name, weight), (_, expected) in pairs:
        if name.startswith('prior'):
            assert weight.grad is None and expected.grad is None
        else:
            assert torch.equal(weight.grad, expected.grad), name
    assert list(network.state_dict()) == list(plain.state_dict())


@torch.no_grad()
def test_images_of_a_batch_are_judged_one_by_one():
    network, image = believing_unet(least_change=3), images(2)
    context = network.describe(image)
    believed = torch.tensor([[0.1, 0.1, 0.8], [0.95, 0.05, 0.0]])
    context = replace(context, prior=replace(context.prior, probabilities=believed))
    both, plain = network(image, context), without(network)(image, context)
    assert torch.equal(both[0], image[0])
    assert torch.equal(both[1], plain[1]) and not torch.equal(both[1], image[1])


@torch.no_grad()
def test_who_is_told_what_an_image_has_changes_it():
    network, image = believing_unet(least_change=3), images()
    context = network.describe(image)
    names = degradation_names(network)
    assert names == LABELS
    for told in ({'task': 'rain'}, {'not_': 'clean'}):
        steered = Steering(names, **told).apply(context)
        assert torch.equal(network(image, steered), without(network)(image))
    # Nobody may know anything.
    assert torch.equal(network(image, Context(image)), without(network)(image))


@torch.no_grad()
def test_in_tiles():
    network, image = believing_unet(least_change=3), images(height=50, width=66)
    tiled = restore_tiled(network, image, tile=24, overlap=8)
    torch.testing.assert_close(tiled, image, atol=1e-6, rtol=0)
    plain = restore_tiled(without(network), image, tile=24, overlap=8)
    assert (plain - image).abs().max() > 1e-4
    strong = believing_unet(least_change=3, levels=40)
    expected = restore_tiled(without(strong), image, tile=24, overlap=8)
    assert torch.equal(restore_tiled(strong, image, tile=24, overlap=8), expected)


@torch.no_grad()
@pytest.mark.parametrize(('levels', 'kept'), [(0.5, False), (12, True)])
def test_in_bfloat16(levels, kept):
    network, image = believing_unet(levels=levels, least_change=3), images()
    with torch.autocast('cpu', torch.bfloat16):
        answer, plain = network(image), without(network)(image)
    assert torch.equal(answer, plain if kept else image)


@torch.no_grad()
@pytest.mark.parametrize('levels', [0.5, 3, 12])
def test_written_out_and_compiled_it_is_the_same(levels):
    network, image = believing_unet(levels=levels, least_change=3), images()
    wanted = network(image)
    torch.testing.assert_close(textbook(network)(image), wanted, atol=1e-6, rtol=1e-5)
    compiled = torch.compile(network, backend='eager', fullgraph=True)
    torch.testing.assert_close(compiled(image), wanted, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'prior': None}, r"least_change=3.*there are none.*'clean' among its `labels`"),
        (
            {'prior': {'type': 'MLPPrior', 'num_degradations': 2, 'labels': ['rain', 'haze']}},
            'says so: rain, haze',
        ),
        ({'prior': {'type': 'MLPPrior', 'num_degradations': 3}}, 'there are none'),
        ({'input_range': [-1, 1]}, 'least_change=3 and input_range'),
        ({'least_change': -1}, 'least_change'),
        ({'least_change': 'much'}, 'least_change'),
        ({'least_change': float('inf')}, 'least_change'),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    settings = {'type': 'RestorationUNet', **SETTINGS, 'least_change': 3, **options}
    with pytest.raises(ValueError, match=message):
        MODELS.build(settings)
