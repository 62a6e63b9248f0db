"""The conversion tool, from the command line's side."""

import runpy
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from irbox.testing.daclip_files import write_daclip_file

TOOL = Path(__file__).parents[2] / 'tools' / 'convert_checkpoint.py'


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
    runpy.run_path(str(TOOL), run_name='__main__')


def test_daclip(tmp_path, monkeypatch, capsys):
    model = write_daclip_file(tmp_path / 'released.pt', 'training')
    run(monkeypatch, 'daclip', tmp_path / 'released.pt', tmp_path / 'out.safetensors')
    assert load_file(tmp_path / 'out.safetensors').keys() == model.state_dict().keys()
    assert '125 tensors' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['daclip', 'none.pt', 'out.safetensors'], 'There is no file none.pt'),
        (['daclip', 'page.pt', 'out.safetensors'], 'page.pt is no PyTorch checkpoint'),
        (['daclip', 'page.pt'], 'OUT'),
        (['dacilp', 'page.pt', 'out.safetensors'], 'invalid choice'),
    ],
)
def test_mistakes_give_one_message_and_exit_code_2(
    tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    Path('page.pt').write_text('<html>')
    with pytest.raises(SystemExit) as error:
        run(monkeypatch, *arguments)
    assert error.value.code == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert 'Traceback' not in printed
    assert [path.name for path in tmp_path.iterdir()] == ['page.pt']
