from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from irbox.engine.hooks.predictions_hook import PredictionsHook


def sample(name, label='haze', value=0.5):
    image = torch.full((3, 16, 20), value)
    return {
        'name': name,
        'label': label,
        'image': image + 0.25,
        'restored': image + 0.125,
        'target': image,
    }


@pytest.fixture
def runner():
    tasks = {('a', 'haze'): 'haze', ('b', 'haze'): 'b/haze', ('b', 'rain'): 'rain'}
    return SimpleNamespace(test_loop=SimpleNamespace(current_set='a', tasks=tasks))


def run(hook, runner, *batches):
    hook.before_test(runner)
    for index, (current, outputs) in enumerate(batches):
        runner.test_loop.current_set = current
        hook.after_test_iter(runner, index, None, outputs)
    hook.after_test(runner)


def test_images_are_named_for_task_and_name_and_hold_what_was_restored(runner, tmp_path):
    out = tmp_path / 'new/out'
    beyond = sample('3', 'rain') | {'restored': torch.tensor([2.0, -1.0, 0.499]).view(3, 1, 1)}
    run(
        PredictionsHook(out),
        runner,
        ('a', [sample('x/1')]),
        ('b', [sample('x/1', value=0.25), beyond]),
    )
    files = {path.name: np.asarray(Image.open(path)) for path in out.iterdir()}
    assert sorted(files) == ['b_haze_x_1.png', 'haze_x_1.png', 'rain_3.png']
    assert (files['haze_x_1.png'] == round(255 * 0.625)).all()
    assert (files['b_haze_x_1.png'] == round(255 * 0.375)).all()
    assert files['rain_3.png'].tolist() == [[[255, 0, 127]]]


def test_the_sheet_has_rows_for_each_task_that_show_different_images(runner, tmp_path):
    batches = [('a', [sample(f'{i}_haze') for i in range(9)]), ('b', [sample('9', 'rain')])]
    hook = PredictionsHook(sheet=tmp_path / 'new/sheet.png', rows_per_task=2)
    run(hook, runner, *batches)
    two = Image.open(tmp_path / 'new/sheet.png')
    run(PredictionsHook(sheet=tmp_path / 'one.png'), runner, *batches)
    one = Image.open(tmp_path / 'one.png')
    assert two.width == one.width and two.height > one.height
    assert len(hook.samples['a', 'haze']) == 5, 'no more are kept than the sheet may show'
    _, texts = hook.samples['a', 'haze'][0]
    # 20 log10 of a quarter and of an eighth.
    assert texts == ['0: 12.04 dB', '18.06 dB (+6.02)', '']
    assert list(tmp_path.rglob('*.png')) and not list(tmp_path.rglob('.*'))


def test_nothing_is_written_that_was_not_asked_for(runner, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(PredictionsHook(), runner, ('a', [sample('1')]), ('a', None))
    assert list(tmp_path.iterdir()) == []
