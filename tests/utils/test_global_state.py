import os
import random

import numpy as np
import pytest

from irbox.utils.global_state import global_state_kept


def drawn():
    return random.random(), np.random.rand()


def test_state_is_as_it_was_also_after_an_error(monkeypatch):
    monkeypatch.setenv('IRBOX_KEPT', 'before')
    monkeypatch.setenv('IRBOX_GONE', 'before')
    random.seed(1)
    np.random.seed(1)
    wanted = drawn()
    random.seed(1)
    np.random.seed(1)
    with pytest.raises(KeyError), global_state_kept():
        os.environ['IRBOX_KEPT'] = os.environ['IRBOX_NEW'] = 'inside'
        del os.environ['IRBOX_GONE']
        assert drawn() == wanted
        raise KeyError
    assert os.environ['IRBOX_KEPT'] == os.environ['IRBOX_GONE'] == 'before'
    assert 'IRBOX_NEW' not in os.environ
    assert drawn() == wanted
