from pathlib import Path

import pytest

from irbox.restore import find_model as finding
from irbox.restore import shipped
from irbox.restore.find_model import find_model
from irbox.restore.shipped import default_model


def test_models_by_name(monkeypatch):
    models = {'first': Path('a'), 'second': Path('b')}
    monkeypatch.setattr(shipped, 'SHIPPED', models)
    monkeypatch.setattr(finding, 'SHIPPED', models)
    assert find_model('second') == (Path('b'), None) and default_model() == 'a'
    with pytest.raises(
        ValueError, match="no file or folder 'secnd'.*Did you mean 'second'.*Give a"
    ):
        find_model('secnd')


def test_only_a_folder_with_a_model_hides_one_of_its_name(monkeypatch, tmp_path):
    monkeypatch.setattr(finding, 'SHIPPED', {'small': Path('a')})
    monkeypatch.chdir(tmp_path)
    folder = Path('small')
    folder.mkdir()
    (folder / 'photo.png').touch()
    assert find_model('small') == (Path('a'), None)
    (folder / 'config.json').touch()
    assert find_model('small') == (folder, None)


def test_where_there_is_none(monkeypatch):
    monkeypatch.setattr(shipped, 'SHIPPED', {})
    with pytest.raises(ValueError, match='give one by --model'):
        default_model()
