"""The kernels, where there is a compiler."""

import pytest
import torch

from irbox.native import compiler, library


@pytest.fixture(scope='module')
def kernels():
    try:
        compiler.find_compiler()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    found = library.native()
    assert found is not None, 'there is a compiler'
    return found


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)
