"""The kernels, where there is a compiler."""

import pytest

from irbox.layers.native import library


@pytest.fixture(scope='module')
def kernels():
    try:
        library.find_compiler()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    found = library.native()
    assert found is not None, 'there is a compiler'
    return found
