import io
from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub
from rich.console import Console

from irbox.engine.hooks import progress_hook
from irbox.engine.hooks.progress_hook import ProgressHook, _Clock, _summary

METRICS = {
    'haze/input_psnr': 15.0,
    'haze/psnr': 20.0,
    'rain/input_psnr': 25.0,
    'rain/psnr': 24.0,
    'mean/input_psnr': 20.0,
    'mean/psnr': 22.0,
    'mean/ssim': 0.8,
}


@pytest.fixture
def runner(request):
    hub = MessageHub(request.node.name)
    hub.update_scalar('train/loss', 0.125)
    hub.update_scalar('train/lr', 2e-4)
    loop = SimpleNamespace(num_batches=2, current_set='sots')
    return SimpleNamespace(
        iter=0, max_iters=3, val_interval=3, val_loop=loop, test_loop=loop, message_hub=hub
    )


def make_hook(terminal, interval=30):
    hook = ProgressHook(interval)
    hook.console = Console(file=io.StringIO(), force_terminal=terminal, width=150, highlight=False)
    return hook


def drive(hook, runner):
    hook.before_train(runner)
    for runner.iter in range(3):
        hook.after_train_iter(runner, runner.iter)
    hook.before_val(runner)
    for index in range(2):
        hook.after_val_iter(runner, index)
    hook.after_val_epoch(runner, METRICS)
    hook.on_exit(runner)
    return hook.console.file.getvalue()


def test_lines_where_there_is_no_terminal(runner):
    lines = drive(make_hook(terminal=False), runner).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith('train 1/3, loss 0.125, lr 2.00e-04, ')
    assert lines[0].endswith(' left')
    assert lines[1].startswith('train 3/3')
    assert lines[2] == 'iteration 2: mean PSNR 22.00 dB (+2.00): haze +5.00, rain -1.00'


def test_lines_come_as_often_as_asked(runner):
    lines = drive(make_hook(terminal=False, interval=0), runner).splitlines()
    assert [line.split(',')[0] for line in lines[:-1]] == [
        'train 1/3',
        'train 2/3',
        'train 3/3',
        'validate 1/2',
        'validate 2/2',
    ]
    assert lines[3] == 'validate 1/2, sots'


def test_a_file_ends_with_the_last_image_of_a_test(runner):
    hook = make_hook(terminal=False)
    hook.before_test(runner)
    for index in range(2):
        hook.after_test_iter(runner, index)
    assert hook.console.file.getvalue().splitlines() == ['test 2/2, sots']


def test_a_long_validation_ends_with_its_last_image(runner, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress_hook.time, 'monotonic', lambda: now[0])
    hook = make_hook(terminal=False)
    hook.before_val(runner)
    for seconds in (40, 41):
        now[0] = seconds
        hook.after_val_iter(runner, 0)
    lines = hook.console.file.getvalue().splitlines()
    assert lines == ['validate 1/2, sots', 'validate 2/2, sots']


def test_a_bar_on_a_terminal(runner):
    hook = make_hook(terminal=True)
    text = drive(hook, runner)
    assert '3/3' in text and 'loss 0.125' in text and 'it/s' in text and '━' in text
    assert 'mean PSNR 22.00 dB' in text
    assert hook.progress is None
    assert text.count('\x1b[?25h') == 1, 'the cursor is hidden still'


def test_other_processes_are_silent(runner, monkeypatch):
    monkeypatch.setattr(progress_hook, 'is_main_process', lambda: False)
    assert drive(make_hook(terminal=True, interval=0), runner) == ''


def test_summary_without_psnr():
    assert _summary({'fid': 12.3456}) == 'fid 12.35'


def test_summary_names_other_metrics():
    text = _summary(METRICS | {'rain/lpips': 0.5, 'mean/lpips': 0.25, 'mean/input_lpips': 0.5})
    assert text == 'mean PSNR 22.00 dB (+2.00), lpips 0.25: haze +5.00, rain -1.00'


def test_time_left_counts_validations(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress_hook.time, 'monotonic', lambda: now[0])
    clock = _Clock()
    for _ in range(10):
        now[0] += 2
        clock.step()
    assert clock.left(10, val_interval=10) == pytest.approx(20)
    clock.pause()
    now[0] += 7
    clock.resume()
    assert clock.speed == pytest.approx(0.5)
    assert clock.left(15, val_interval=10) == pytest.approx(30 + 2 * 7)
