import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
train_dataloader = dict(
    dataset=dict(
        type='PairedImageDataset',
        data_root='data',
        sources=dict(rain=dict(input='input', target='target')),
    )
)
"""


def check(folder, *arguments):
    """Run the tool as a user does, from a folder that is not the project's."""
    command = [sys.executable, str(ROOT / 'tools' / 'check_data.py'), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


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


def test_exit_codes_and_report(folder):
    result = check(folder, 'config.py', '--json', 'out/report.json')
    assert result.returncode == 0, result.stderr
    assert '24x20 (100%)' in result.stdout and '6 files read; no findings.' in result.stdout
    report = json.loads((folder / 'out/report.json').read_text())
    assert report['config'] == 'config.py' and report['findings'] == []
    assert report['sets'][0]['samples'] == 3

    (folder / 'data/target/1.png').unlink()
    key = 'train_dataloader.dataset.sources.other'
    options = (f'{key}.input=nowhere', f'{key}.target=nowhere')
    result = check(folder, 'config.py', '--json', 'report.json', '--cfg-options', *options)
    assert result.returncode == 1, result.stderr
    assert '1 of 3 degraded images' in result.stdout
    assert 'Data folder data/nowhere does not exist' in result.stdout
    assert '2 findings.' in result.stdout
    report = json.loads((folder / 'report.json').read_text())
    assert sorted(one['kind'] for one in report['findings']) == ['missing', 'unmatched']
    assert report['findings'][0]['files'] == ['data/input/1.png']


def test_deep(folder):
    path = folder / 'data/input/1.png'
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    assert '6 files read; no findings.' in check(folder, 'config.py').stdout
    result = check(folder, 'config.py', '--deep')
    assert result.returncode == 1
    assert '1 of 6 files cannot be read' in result.stdout
    assert '6 files decoded; 1 finding.' in result.stdout


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['none.py'], 'none.py does not exist'),
        (['config.py', '--cfg-options', 'train_dataloader.dataset.sorces.a=1'], "'sorces'"),
        (['config.py', '--fast'], 'unrecognized arguments: --fast'),
    ],
)
def test_mistakes_get_one_message(folder, arguments, message):
    result = check(folder, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert 'Traceback' not in result.stderr and not result.stdout
