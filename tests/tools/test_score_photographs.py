"""The one table by which a model that is shipped is judged."""

import importlib.util
import subprocess
import sys

import pytest

from irbox.evaluation import score
from support.paths import TOOLS
from support.small_model import small_model


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location(
        'score_photographs', TOOLS / 'score_photographs.py'
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope='module')
def dataset(tool):
    return tool._dataset('reserved', longest_side=48, draws=1)


def test_doing_nothing_gains_nothing(tool, dataset):
    scores = tool.measure(lambda image: image, dataset, twice=True)
    assert tuple(scores) == dataset.labels
    for task, one in scores.items():
        assert len(one.psnr) == 3
        if task == 'clean':
            assert one.psnr == [float('inf')] * 3
        assert (one.gain, one.ssim_gain, one.loss) == (0, 0, 0)
    # An infinite PSNR is printed as everywhere else, and loses nothing.
    assert tool.model_table(scores, {})[-1] == '| clean |  | inf |  |  | 0.00 |  |'
    lines = tool.bars({'clean': scores['clean']}, {})[2:]
    assert lines == [
        '| clean photographs: PSNR | inf | 38.00 | yes |',
        '| restored twice: largest loss | 0.00 | 0.30 | yes |',
    ]


def test_pictures_that_are_equal_hide_none_that_is_not(tool):
    inf = float('inf')
    clean = tool.Scores([inf] * 3, [1] * 3, [inf, 30, 40], [1] * 3, [inf, 29, 40])
    assert clean.loss == pytest.approx(1 / 3)
    assert '| clean |  | 35.00, and 1 of 3 equal |' in tool.model_table({'clean': clean}, {})[-1]
    assert tool.bars({'clean': clean}, {})[2].endswith('| 35.00 | 38.00 | NO |')
    # Equal at first and not the second time: that is no small loss.
    worse = tool.Scores([inf], [1], [inf], [1], [45])
    assert worse.loss == inf
    assert tool.bars({'clean': worse}, {})[3].endswith('| inf | 0.30 | NO |')


def test_scores_are_the_protocols(tool, dataset):
    darker = tool.measure(lambda image: 0.9 * image, dataset, ['haze'], twice=True)['haze']
    sample = next(one for one in (dataset[i] for i in range(48)) if one['label'] == 'haze')
    image, target = sample['image'][None], sample['target'][None]
    expected = score(0.9 * image, target, 'aio')
    assert darker.psnr[0] == pytest.approx(expected['psnr'].item(), abs=1e-6)
    assert darker.ssim[0] == pytest.approx(expected['ssim'].item(), abs=1e-6)
    again = 0.9 * ((0.9 * image * 255).round() / 255)
    assert darker.again[0] == pytest.approx(score(again, target)['psnr'].item(), abs=1e-6)
    assert darker.loss == pytest.approx(sum(darker.psnr) / 3 - sum(darker.again) / 3)


def test_a_sheet_of_all_tasks(tool, dataset):
    sheet = tool.draw_sheet(lambda image: image, dataset, ['haze', 'clean'])
    # Three columns of pictures of half the size.
    assert 3 * 20 < sheet.width < 3 * 24 + 2 * 12 + 2 * 24 + 1
    taller = tool.draw_sheet(lambda image: image, dataset, None)
    assert taller.height > 5 * sheet.height and taller.width == sheet.width


def test_bars(tool):
    def scores(gain, again=None):
        return tool.Scores([20.0], [0.5], [20.0 + gain], [0.6], [20.0 + (again or gain)])

    good = dict.fromkeys((*tool.DEMO, *tool.OTHERS, 'haze_noise'), scores(7)) | {
        'clean': scores(19)
    }
    lines = tool.bars(good, {'noise': {'wavelets': ({}, scores(5))}})
    assert len(lines) == 2 + 8
    assert all(line.endswith('yes |') for line in lines[2:])
    bad = good | {'snow': scores(2), 'jpeg': scores(0.4), 'haze_noise': scores(3.9)}
    bad |= {'clean': scores(17.9), 'noise': scores(6.9, again=6.5)}
    lines = tool.bars(bad, {'noise': {'wavelets': ({}, scores(8))}})
    missed = [line for line in lines[2:] if line.endswith('NO |')]
    assert len(missed) == 7
    assert [line.split('|')[1].strip() for line in lines[2:] if line.endswith('yes |')] == [
        'their least gain of SSIM'
    ]


def test_remedies_are_tuned_on_other_photographs(tool, dataset, monkeypatch):
    seen = []

    def tune(remedy, pairs):
        seen.append(pairs)
        return remedy.settings()[0], 0.0

    monkeypatch.setattr(tool, 'tune', tune)
    tuned_on = tool._dataset('training', longest_side=48, draws=1)
    found = tool.score_remedies(dataset, tuned_on, ['low_light', 'jpeg'])
    assert {task: set(tried) for task, tried in found.items()} == {'low_light': {'CLAHE', 'gamma'}}
    assert [len(pairs) for pairs in seen] == [5, 5]
    text = '\n'.join(tool.remedy_table(found))
    assert '| low_light | gamma | gamma 0.3, gain 0.85 |' in text


def test_the_whole_table(tool, tmp_path, capsys):
    model = tmp_path / 'model'
    small_model().save(model)
    out, sheet = tmp_path / 'deep' / 'table.md', tmp_path / 'far' / 'sheet.jpg'
    options = ['--tasks', 'noise', 'clean', '--photographs', 'training', '--draws', '1']
    options += ['--longest-side', '48', '--out', str(out), '--sheet', str(sheet)]
    tool.main([*options, '--model', str(model)])
    printed = capsys.readouterr().out
    assert sheet.stat().st_size > 1000
    assert 'Photographs: astronaut, coffee, rocket, motorcycle, flower' in printed
    assert '| noise | ' in printed
    assert '| clean photographs: PSNR | ' in printed
    assert out.read_text() == printed.removesuffix('\n')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ([], 'name a --model'),
        (['--model', 'x', '--tasks', 'hase'], "no 'hase' among haze"),
        (['--model', 'x', '--sheet', 's.foo'], 's.foo: the name must end in .png, .jpg, .jpeg'),
        (['--classical', '--sheet', 's.png'], 's.png: it shows what a --model restores'),
    ],
)
def test_mistakes_are_named(tool, options, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        tool.main(options)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_answers_are_no_folders_and_no_inputs(tool, tmp_path):
    for name in ('--sheet', '--out'):
        with pytest.raises(ValueError, match=f'{name} .* is a folder'):
            tool.main(['--model', 'x', name, str(tmp_path)])
        with pytest.raises(ValueError, match=f'{name} .* would replace an input'):
            tool.main(['--model', str(TOOLS / 'train.py'), name, str(TOOLS / 'train.py')])


def test_tables_are_printed_before_the_sheet_is_drawn(tool, tmp_path, monkeypatch, capsys):
    small_model().save(tmp_path / 'model')
    monkeypatch.setattr(tool, 'measure', lambda *args, **options: {})
    monkeypatch.setattr(tool, 'draw_sheet', lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tool.main(['--model', str(tmp_path / 'model'), '--sheet', str(tmp_path / 'sheet.png')])
    assert '| task | input PSNR |' in capsys.readouterr().out


def test_a_missing_model_is_no_traceback(tmp_path):
    program = [sys.executable, TOOLS / 'score_photographs.py', '--model', tmp_path / 'none.pth']
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 2
    assert 'Traceback' not in done.stderr
