import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from support.paths import ROOT

CONFIG = ROOT / 'configs' / '_base_' / 'datasets' / 'embedded_demo.yaml'


def show(folder, *arguments):
    """Run the tool as a user does, from a folder that is not the project's."""
    command = [sys.executable, str(ROOT / 'tools' / 'show_data.py'), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_writes_a_sheet(tmp_path):
    result = show(
        tmp_path, CONFIG, '--num', 3, '--cfg-options', 'train_dataloader.dataset.patch_size=32'
    )
    assert result.returncode == 0, result.stderr
    sheet = Image.open(tmp_path / 'work_dirs' / 'embedded_demo' / 'data.png')
    assert '3 samples: work_dirs/embedded_demo/data.png' in result.stdout
    assert sheet.width > 4 * 200
    assert np.asarray(sheet).std() > 20


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['none.yaml'], 'none.yaml does not exist'),
        ([CONFIG, '--out', 'sheet.gif'], 'must end in .png'),
        ([CONFIG, '--num', '0'], 'at least 1'),
    ],
)
def test_mistakes_get_one_message_and_leave_nothing(tmp_path, arguments, message):
    result = show(tmp_path, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert 'Traceback' not in result.stderr
    assert not list(tmp_path.iterdir())


def test_missing_data_gets_one_message(tmp_path):
    """The same for what the data set finds, without a second start of Python per case."""
    result = show(tmp_path, CONFIG.with_name('allweather.yaml'))
    assert result.returncode == 2
    assert result.stderr.startswith('Error: Data folder data/allweather does not exist')
    assert result.stderr.count('\n') == 1
