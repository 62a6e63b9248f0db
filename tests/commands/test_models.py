"""The list of models, and the table of the guide."""

import re
import sys

import pytest

from irbox.commands.main import main
from irbox.restore.known_models import KNOWN
from irbox.restore.list_models import list_models, markdown
from support.paths import ROOT


def test_the_list_says_what_is_here_and_where_to_get_the_rest(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    (tmp_path / 'weights').mkdir()
    (tmp_path / 'weights/adair.ckpt').touch()
    main(['models'])
    lines = capsys.readouterr().out.splitlines()
    assert re.search(r'^small .*comes with irbox \(licence: Apache-2\.0\)', lines[0])
    (adair,) = (line for line in lines if line.startswith('adair '))
    assert 'here: weights/adair.ckpt (licence: MIT)' in adair
    (promptir,) = (line for line in lines if line.startswith('promptir '))
    assert "not here: from its authors' page" in promptir and 'non-commercial' in promptir
    assert str(tmp_path / 'cache/irbox/models') in lines[-1]


def test_the_guide_holds_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(['models', '--markdown'])
    table = capsys.readouterr().out.strip()
    assert table == markdown(list_models())
    assert table.count('\n') == 1 + len(list_models())
    assert table in (ROOT / 'docs/models.md').read_text(encoding='utf-8')
    assert all(f'`{name}`' in table for name in KNOWN)


def test_architectures(capsys, monkeypatch):
    main(['models', '--architectures'])
    out = capsys.readouterr().out
    assert 'NAFNet' in out and 'SwinIR' in out and 'refused' in out
    monkeypatch.setitem(sys.modules, 'spandrel', None)
    with pytest.raises(ImportError, match=r"pip install 'irbox\[zoo\]'"):
        main(['models', '--architectures'])
