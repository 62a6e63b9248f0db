"""What needs no device of recordings; the rest is in tests/engine/test_captured_step_gpu.py."""

import torch

from irbox.utils.cuda_graph import Recording, casts_not_kept, cause_of


def test_the_first_error_is_the_cause():
    try:
        try:
            raise ValueError('no memory.\nand more')
        except ValueError:
            raise RuntimeError('the recording failed') from None
    except RuntimeError as error:
        assert cause_of(error) == 'no memory'
    assert cause_of(RuntimeError()) == 'RuntimeError'


def test_a_replay_gives_what_was_written_anew():
    answer = torch.zeros(2)
    recording = Recording(answer, lambda: answer.add_(1))
    recording.replay()
    assert recording.replay() is answer
    assert answer.tolist() == [2, 2]


def test_autocast_keeps_no_casts():
    before = torch.is_autocast_cache_enabled()
    with casts_not_kept(), torch.autocast('cpu', torch.bfloat16):
        assert not torch.is_autocast_cache_enabled()
    assert torch.is_autocast_cache_enabled() == before
