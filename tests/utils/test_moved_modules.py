import importlib
import subprocess
import sys

import pytest

from irbox.utils.moved_modules import MOVED, new_name


@pytest.mark.parametrize(('old', 'new'), sorted(MOVED.items()))
def test_an_old_name_gives_the_new_module(old, new):
    importlib.import_module(old.rpartition('.')[0])
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f'^{old} is now {new}. The old name goes'):
        found = importlib.import_module(old)
    assert found is importlib.import_module(new)
    assert found.__name__ == new


def test_what_was_in_a_moved_package_moved_with_it():
    assert new_name('irbox.engine.sweeps.plot') == 'irbox.sweeps.plot'
    assert new_name('irbox.engine.runner') is None
    sys.modules.pop('irbox.engine.sweeps.pool', None)
    with pytest.warns(DeprecationWarning, match='irbox.sweeps.pool'):
        old = importlib.import_module('irbox.engine.sweeps.pool')
    assert old is importlib.import_module('irbox.sweeps.pool')


def test_the_warning_names_the_line_that_imports():
    code = 'from irbox.engine.published_weights import rename_weights; print(rename_weights)'
    done = subprocess.run(
        [sys.executable, '-W', 'always', '-c', code], capture_output=True, text=True, check=True
    )
    assert 'rename_weights' in done.stdout
    assert '<string>:1: DeprecationWarning: irbox.engine.published_weights is now' in done.stderr


def test_tables_by_their_old_place():
    import irbox.evaluation
    from irbox.evaluation.tables import read_published

    with pytest.warns(DeprecationWarning, match='read_published is now in irbox.evaluation.tables'):
        assert irbox.evaluation.read_published is read_published
    with pytest.raises(AttributeError, match="no attribute 'read_publshed'"):
        irbox.evaluation.read_publshed  # noqa: B018


def test_loading_plugins_by_its_old_place():
    import irbox.config

    with pytest.warns(DeprecationWarning, match='irbox.config'):
        from irbox.engine import load_plugins
    assert load_plugins is irbox.config.load_plugins
