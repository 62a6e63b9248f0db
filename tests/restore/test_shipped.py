from pathlib import Path

import pytest

from irbox.restore import shipped
from irbox.restore.shipped import default_model, find_shipped


def test_models_by_name(monkeypatch):
    monkeypatch.setattr(shipped, 'SHIPPED', {'first': Path('a'), 'second': Path('b')})
    assert find_shipped('second') == Path('b') and default_model() == 'first'
    with pytest.raises(
        ValueError, match="no file or folder 'secnd'.*Did you mean 'second'.*Give a"
    ):
        find_shipped('secnd')


def test_where_there_is_none(monkeypatch):
    monkeypatch.setattr(shipped, 'SHIPPED', {})
    with pytest.raises(ValueError, match='give one by --model'):
        default_model()
