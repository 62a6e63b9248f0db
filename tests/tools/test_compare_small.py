import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location('compare_small', ROOT / 'tools/compare_small.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(haze, noise):
    def row(task, before, after):
        scores = {'input_psnr': before, 'input_ssim': 0.5, 'psnr': after, 'ssim': 0.6}
        return {'task': task, 'protocol': 'aio'} | scores

    mean = row('mean', 15.0, (haze + noise) / 2)
    return [row('haze', 10.0, haze), row('noise', 20.0, noise), mean]


@pytest.fixture
def called(tool, monkeypatch):
    """Stands in for the two tools: writes what they would, remembers how they were called."""
    calls = []

    def fake(name, *arguments):
        calls.append((name, *arguments))
        folder = Path(arguments[arguments.index('--work-dir') + 1])
        if name == 'train.py':
            folder.mkdir(parents=True)
            (folder / 'final.pth').touch()
        else:
            seed = int(folder.name[-1])
            (folder / 'results.json').write_text(json.dumps(rows(13.0 + seed, 24.0)))

    monkeypatch.setattr(tool, '_tool', fake)
    return calls


def compare(tool, tmp_path, *arguments):
    out = tmp_path / 'docs' / 'table.md'
    tool.main(['--work-dir', str(tmp_path / 'runs'), '--out', str(out), *arguments])
    return out.read_text()


def test_three_systems_with_three_seeds(tool, called, tmp_path):
    text = compare(tool, tmp_path)
    assert len(called) == 18
    assert [Path(call[1]).stem for call in called[:6:2]] == [*tool.SYSTEMS]
    assert '| system | parameters | haze | noise | mean |' in text
    assert '| degraded, PSNR | | 10.00 | 20.00 | 15.00 |' in text
    for system in tool.SYSTEMS:
        line = next(line for line in text.splitlines() if line.startswith(f'| {system} '))
        assert line.endswith('| +4.00 ± 1.00 | +4.00 ± 0.00 | +4.00 ± 0.50 |')
    assert 'standard deviation over the seeds 0, 1, 2' in text


def test_what_is_done_is_not_done_again(tool, called, tmp_path):
    first = compare(tool, tmp_path, '--seeds', '0')
    done = len(called)
    assert compare(tool, tmp_path, '--seeds', '0') == first
    assert len(called) == done
    (tmp_path / 'runs/m2ir_demo_seed0/results.json').unlink()
    compare(tool, tmp_path, '--seeds', '0')
    assert [call[0] for call in called[done:]] == ['test.py']


def test_an_interrupted_run_goes_on_and_options_reach_every_run(tool, called, tmp_path):
    options = ('--seeds', '4', '--cfg-options', 'train_cfg.max_iters=7')
    text = compare(tool, tmp_path, *options)
    assert '7 iterations' in text and '±' not in text.split('|', 1)[1]
    for call in called:
        assert call[-2:] == ('--cfg-options', 'train_cfg.max_iters=7')
        if call[0] == 'train.py':
            assert '--resume' in call and call[call.index('--seed') + 1] == '4'


def test_keeps_what_stands_around_the_table(tool, tmp_path):
    path = tmp_path / 'table.md'
    tool.write(path, 'one')
    path.write_text(path.read_text() + 'What we learnt.\n')
    tool.write(path, 'two')
    text = path.read_text()
    assert 'two' in text and 'one\n' not in text
    assert text.startswith('# Small systems') and text.endswith('What we learnt.\n')
    path.write_text('mine')
    with pytest.raises(ValueError, match='has no lines .*begin.* to write between'):
        tool.write(path, 'three')


def test_names_must_differ(tool, tmp_path):
    with pytest.raises(ValueError, match='Two configs have the same name: a, a'):
        tool.main(['x/a.py', 'y/a.py', '--out', str(tmp_path / 'o.md')])


def test_the_systems_are_as_wide_and_deep_as_each_other(tool):
    from irbox.engine.config import load_config

    networks, schedules = [], []
    for name in tool.SYSTEMS:
        config = load_config(ROOT / f'configs/{name}.py')
        networks.append({k: config.model.network[k] for k in ('dim', 'depths', 'refinement')})
        schedules.append((config.train_cfg, config.optim_wrapper, config.train_dataloader))
    assert networks[0] == networks[1] == networks[2]
    assert schedules[0] == schedules[1] == schedules[2]
