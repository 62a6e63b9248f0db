import inspect
from types import SimpleNamespace

import pytest
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook

from irbox.engine.hooks import CheckpointHook
from irbox.registry import HOOKS


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'interval': 0}, 'interval: 0 must be a whole number above 0 or -1'),
        ({'max_keep_ckpts': 1}, 'max_keep_ckpts: 1 must be .*at least 2 or -1. .*crash interrupts'),
        ({'max_keep_ckpts': 0}, 'max_keep_ckpts: 0 must'),
        ({'rule': 'bigger'}, "rule: 'bigger' is unknown. .*Choose 'greater' or 'less'"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        HOOKS.build({'type': 'CheckpointHook', **options})


def test_counts_iterations_and_keeps_two():
    hook = CheckpointHook()
    assert (hook.by_epoch, hook.max_keep_ckpts, hook.interval) == (False, 2, 1000)
    assert CheckpointHook(save_best=None).save_best is None


def test_an_unknown_score_names_those_there_are():
    hook = CheckpointHook(save_best='mean/psrn')
    with pytest.raises(ValueError, match="'mean/psrn'. There are: haze/psnr, mean/psnr"):
        hook.after_val_epoch(SimpleNamespace(), {'haze/psnr': 20.0, 'mean/psnr': 20.0})


def test_takes_nothing_that_mmengine_would_swallow():
    parameters = inspect.signature(CheckpointHook).parameters
    assert not any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    assert set(parameters) <= set(inspect.signature(MMEngineCheckpointHook).parameters)
