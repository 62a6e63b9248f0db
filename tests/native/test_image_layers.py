"""Layers that are one call each way beside the same by torch's operators in float64."""

import pytest
import torch

from irbox.native import image_layer_twins as twins
from irbox.native import image_layers, image_parts
from irbox.native.layers import Norm

SIZES = {
    'an image for each thread and some more': (5, 9, 7, 32),
    'maps too small for a thread each': (9, 2, 3, 32),
    'one image': (1, 6, 5, 64),
    'a few pixels': (2, 2, 3, 16),
    'a map larger than a cache': (2, 96, 80, 16),
}


@pytest.fixture(autouse=True)
def able(kernels, threads):
    if not image_parts.can_learn(kernels):
        pytest.skip('the processor multiplies by torch alone')


def drawn(*sizes):
    return [torch.randn(size) for size in sizes]


def normed(weight, bias):
    return Norm(weight, bias, 1e-5)


def assert_same(first, again, expected):
    """The same bits each time, and those of float64 but for rounding."""
    for one, same, other in zip(first, again, expected, strict=True):
        assert one.shape == other.shape
        assert torch.equal(one, same)
        assert (one - other).abs().amax() <= 2e-5 * other.abs().amax() + 1e-6


def doubled(tensors):
    return [one.double() for one in tensors]


@pytest.mark.parametrize('centred', [True, False], ids=['bias', 'no bias'])
@pytest.mark.parametrize('size', SIZES.values(), ids=SIZES)
@pytest.mark.parametrize('hidden', [16, 42])
def test_feed_forward(kernels, size, hidden, centred):
    torch.manual_seed(0)
    dim = size[3]
    pixels, grad, scale, shift = drawn(size, size, dim, dim)
    norm = normed(scale, shift if centred else None)
    weights = drawn((2 * hidden, dim, 1, 1), (2 * hidden, 1, 3, 3), (dim, hidden, 1, 1))
    inputs = doubled([pixels, scale, *([shift] if centred else []), *weights])

    def twin(own):
        return twins.feed_forward(
            own[0], normed(own[1], own[2] if centred else None), own[2 + centred :]
        )

    expected, gradients = twins.differentiated(twin, inputs, grad.double())

    def run():
        wide = torch.empty(*size[:3], 2 * (-(-hidden // 16) * 16))
        answer = image_layers.feed_forward(kernels, pixels, norm, weights, wide)
        given = pixels, norm, weights, wide, grad
        of_pixels, own, of_norm = image_layers.feed_forward_gradient(kernels, *given)
        return [answer, of_pixels, *of_norm[: 1 + centred], *own]

    assert_same(run(), run(), [expected, *gradients])


@pytest.mark.parametrize('size', SIZES.values(), ids=SIZES)
@pytest.mark.parametrize('width', [16, 4], ids='heads of {}'.format)
def test_self_attention(kernels, size, width):
    torch.manual_seed(0)
    dim = size[3]
    pixels, grad, scale, shift = drawn(size, size, dim, dim)
    weights = [*drawn((dim // width, 1, 1), (3 * dim, dim, 1, 1), (3 * dim, 1, 3, 3))]
    weights += drawn((dim, dim, 1, 1))
    inputs = doubled([pixels, scale, shift, *weights])

    def twin(own):
        return twins.self_attention(own[0], normed(*own[1:3]), own[3:])

    expected, gradients = twins.differentiated(twin, inputs, grad.double())

    def run():
        wide, norm = torch.empty(*size[:3], 3 * dim), normed(scale, shift)
        answer, kept = image_layers.self_attention(kernels, pixels, norm, weights, wide)
        given = pixels, norm, weights, kept, grad
        of_pixels, own, of_norm = image_layers.self_attention_gradient(kernels, *given)
        return [answer, of_pixels, *of_norm, *own]

    assert_same(run(), run(), [expected, *gradients])


@pytest.mark.parametrize('size', SIZES.values(), ids=SIZES)
@pytest.mark.parametrize('width', [16, 8], ids='heads of {}'.format)
def test_cross_attention(kernels, size, width):
    torch.manual_seed(0)
    dim = size[3]
    query, source, grad = drawn(size, size, size)
    weights = drawn((dim // width, 1, 1), (dim, dim, 1, 1), (dim, 1, 3, 3))
    weights += drawn((2 * dim, dim, 1, 1), (2 * dim, 1, 3, 3), (dim, dim, 1, 1))
    inputs = doubled([query, source, *weights])

    def twin(own):
        return twins.cross_attention(own[0], own[1], own[2:])

    expected, gradients = twins.differentiated(twin, inputs, grad.double())

    def run():
        wide = torch.empty(*size[:3], 3 * dim)
        answer, kept = image_layers.cross_attention(kernels, query, source, weights, wide)
        given = query, source, weights, kept, grad
        of_query, of_source, own = image_layers.cross_attention_gradient(kernels, *given)
        return [answer, of_query, of_source, *own]

    assert_same(run(), run(), [expected, *gradients])


def test_all_images_of_a_batch_are_shared_out():
    threads = torch.get_num_threads()
    for batch in (1, 2, 3, 8, 17):
        for in_image in (1, 36, 2304, 2**16):
            together, across, within = image_parts.parts(batch, in_image, 192)
            assert together >= 1 and (across, within) in ((threads, 1), (1, threads))


def test_what_is_no_number_is_seen(kernels):
    pixels, scale = drawn((2, 3, 3, 16), 16)
    pixels[1, 0, 0, 3] = torch.nan
    weights = drawn((32, 16, 1, 1), (32, 1, 3, 3), (16, 16, 1, 1))
    wide = torch.empty(2, 3, 3, 32)
    answer = image_layers.feed_forward(kernels, pixels, normed(scale, None), weights, wide)
    assert answer[1].isnan().any() and not answer[0].isnan().any()
