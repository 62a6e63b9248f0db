import inspect
from types import SimpleNamespace

import pytest
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook

from irbox.engine.hooks import CheckpointHook


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'interval': 0}, 'interval=0'),
        ({'max_keep_ckpts': 1}, 'max_keep_ckpts=1 would leave no checkpoint'),
        ({'max_keep_ckpts': 0}, 'max_keep_ckpts=0'),
        ({'rule': 'bigger'}, "rule='bigger'"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        CheckpointHook(**options)


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
