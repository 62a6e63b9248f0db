import math

import pytest
from mmengine.runner import LogProcessor

from irbox.engine.finite_log_processor import FiniteLogProcessor


@pytest.mark.parametrize('method', ['get_log_after_iter', 'get_log_after_epoch'])
def test_what_json_cannot_hold_is_left_out_of_the_tags_alone(method, monkeypatch):
    tags = {'haze/psnr': math.inf, 'loss': 0.5, 'iter': 3, 'grad_norm': math.nan, 'lr': -math.inf}
    text = 'haze/psnr: inf'
    monkeypatch.setattr(LogProcessor, method, lambda self, *arguments: (tags, text))
    found = getattr(FiniteLogProcessor(), method)(None, 0, 'val')
    assert found == ({'loss': 0.5, 'iter': 3}, text)
