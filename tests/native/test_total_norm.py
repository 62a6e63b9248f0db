"""The norm of many tensors by one call beside torch's own."""

import math

import pytest
import torch
from torch.nn.utils import get_total_norm

from irbox.native.total_norm import total_norm

pytestmark = pytest.mark.usefixtures('kernels')


def test_equals_that_of_torch():
    sizes = (3, 16, 3, 3), (7,), (130, 5), (), (0,)
    tensors = [torch.randn(size) for size in sizes]
    tensors.append(torch.randn(2, 8, 3, 3).contiguous(memory_format=torch.channels_last))
    exact = get_total_norm([one.double() for one in tensors])
    torch.testing.assert_close(total_norm(tensors), exact.float())


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf, 3e38])
@pytest.mark.parametrize('place', [0, 150])
def test_what_is_not_finite_is_seen(bad, place):
    one = torch.ones(151)
    one[place] = bad
    norm = total_norm([torch.ones(3), one])
    assert not norm.isfinite() and not get_total_norm([one]).isfinite()


@pytest.mark.parametrize('why', ['none', 'dtype', 'strides', 'subclass'])
def test_others_are_left_to_torch(why):
    class Own(torch.Tensor):
        pass

    found = {
        'none': [],
        'dtype': [torch.ones(2).double()],
        'strides': [torch.ones(4, 4).t()[:2]],
        'subclass': [torch.ones(2).as_subclass(Own)],
    }
    assert total_norm(found[why]) is None
