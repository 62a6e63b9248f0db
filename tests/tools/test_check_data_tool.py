import importlib.util
import json
import logging
import subprocess
import sys

import numpy as np
import pytest
from mmengine.logging import MMLogger
from PIL import Image

from support.paths import ROOT

TOOL = ROOT / 'tools' / 'check_data.py'
CONFIG = """
train_dataloader = dict(
    dataset=dict(
        type='PairedImageDataset',
        data_root='data',
        sources=dict(rain=dict(input='input', target='target')),
    )
)
"""


@pytest.fixture
def check(folder, monkeypatch, capsys):
    """Runs the tool in a folder that is not the project's; gives its exit code and output."""
    spec = importlib.util.spec_from_file_location('check_data_tool', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.chdir(folder)

    def run(*arguments):
        try:
            code = tool.main(arguments)
        except SystemExit as leaving:
            code = leaving.code
        return code, capsys.readouterr()

    yield run
    MMLogger._instance_dict.pop('check_data', None)
    logging.Logger.manager.loggerDict.pop('check_data', None)


@pytest.fixture
def folder(tmp_path):
    for number in range(3):
        for side in ('input', 'target'):
            (tmp_path / 'data' / side).mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng((number, len(side))).integers(0, 256, (20, 24, 3))
            image = Image.fromarray(pixels.astype(np.uint8))
            image.save(tmp_path / 'data' / side / f'{number}.png')
    (tmp_path / 'config.py').write_text(CONFIG)
    return tmp_path


def test_exit_codes_and_report(folder, check):
    code, shown = check('config.py', '--json', 'out/report.json')
    assert (code, shown.err) == (0, '')
    assert '24x20' in shown.out and '6 files read; no findings.' in shown.out
    report = json.loads((folder / 'out/report.json').read_text())
    assert report['config'] == 'config.py' and report['findings'] == []
    assert report['sets'][0]['samples'] == 3

    (folder / 'data/target/1.png').unlink()
    key = 'train_dataloader.dataset.sources.other'
    options = (f'{key}.input=nowhere', f'{key}.target=nowhere')
    code, shown = check('config.py', '--json', 'report.json', '--cfg-options', *options)
    assert code == 1
    assert '1 of 3 degraded images' in shown.out
    assert 'Data folder data/nowhere does not exist' in shown.out
    assert '2 findings.' in shown.out
    report = json.loads((folder / 'report.json').read_text())
    assert sorted(one['kind'] for one in report['findings']) == ['missing', 'unmatched']
    assert report['findings'][0]['files'] == ['data/input/1.png']


def test_deep(folder, check):
    path = folder / 'data/input/1.png'
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert '6 files read; no findings.' in check('config.py')[1].out
    code, shown = check('config.py', '--deep')
    assert code == 1
    assert '1 of 6 files cannot be read' in shown.out
    assert '6 files decoded; 1 finding.' in shown.out


def test_mistakes_get_one_message(folder):
    """As a user runs it, in a process of its own."""
    option = 'train_dataloader.dataset.sorces.a=1'
    command = [sys.executable, str(TOOL), 'config.py', '--cfg-options', option]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert result.returncode == 2
    assert "'sorces'" in result.stderr and result.stderr.count('\n') == 1
    assert not result.stdout


def test_a_wrong_option_is_a_mistake(check):
    code, shown = check('config.py', '--fast')
    assert code == 2 and 'unrecognized arguments: --fast' in shown.err
    with pytest.raises(ValueError, match=r'--json \. is a folder'):
        check('config.py', '--json', '.')
