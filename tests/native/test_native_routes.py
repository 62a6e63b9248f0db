"""The kernels of routers and of products with an image's own matrices beside torch's operators."""

import math

import pytest
import torch

from irbox.native import torch_twins as twins
from irbox.native.grouped import grouped
from irbox.native.routes import route


@pytest.fixture(params=[1, 2], autouse=True)
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize('top_k', [1, 2, 6])
@pytest.mark.parametrize('size', [(1,), (3, 7, 5)])
def test_routes_equal_the_twins(kernels, size, top_k):
    scores = 3 * torch.randn(*size, 6)
    for one, other in zip(route(kernels, scores, top_k), twins.route(scores, top_k), strict=True):
        torch.testing.assert_close(one, other)


def test_equal_scores_choose_the_first_and_far_ones_count(kernels):
    weights, load = route(kernels, torch.tensor([[1.0, 1.0, 1.0], [0.0, -500.0, -900.0]]), 2)
    torch.testing.assert_close(weights, torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]))
    assert load.tolist() == [2, 2, 0]


def test_what_is_no_number_is_seen(kernels):
    weights, _ = route(kernels, torch.tensor([[1.0, math.nan, 2.0]]), 2)
    assert weights.isnan().any()


@pytest.mark.parametrize('adds', [False, True])
@pytest.mark.parametrize('sizes', [(1, 1, 5, 16), (2, 3, 7, 48), (3, 2, 32, 32)])
def test_grouped_products_in_parts_of_wider_maps(kernels, sizes, adds):
    images, groups, given, made = sizes
    pixels = torch.randn(images, 70, 3 + groups * given)[..., 3:]
    matrices, wide = torch.randn(sizes), torch.randn(images, 70, 2 + groups * made)
    out, before = wide[..., 2:], wide.clone()
    expected = twins.grouped(pixels, matrices) + (before[..., 2:] if adds else 0)
    grouped(kernels, pixels, matrices, out, adds)
    torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-5)
    assert torch.equal(wide[..., :2], before[..., :2])
