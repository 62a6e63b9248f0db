import itertools
import sys

import pytest

from irbox.engine import load_plugins
from irbox.registry import EXPERTS

COUNTER = itertools.count()


@pytest.fixture
def part():
    """Source of a plug-in that registers an expert of a new name, and that name."""
    name = f'PluginExpert{next(COUNTER)}'
    decorated = f'@EXPERTS.register_module()\nclass {name}:\n    pass\n'
    yield f'from irbox.registry import EXPERTS\n{decorated}', name
    EXPERTS.module_dict.pop(name, None)


@pytest.mark.parametrize('depth', [0, 1, 3])
def test_files_are_found_beside_the_config_and_above(tmp_path, part, depth):
    source, name = part
    (tmp_path / 'plugins').mkdir()
    (tmp_path / 'plugins/expert.py').write_text(source)
    config = tmp_path.joinpath(*['configs'] * depth, 'entry.yaml')
    load_plugins(['plugins/expert.py'], near=config)
    assert name in EXPERTS.module_dict


def test_files_are_found_in_the_current_folder(tmp_path, part, monkeypatch):
    source, name = part
    (tmp_path / 'here').mkdir()
    (tmp_path / 'here/expert.py').write_text(source)
    monkeypatch.chdir(tmp_path / 'here')
    load_plugins(['expert.py'], near='/somewhere/else/entry.yaml')
    assert name in EXPERTS.module_dict


def test_each_is_imported_once(tmp_path, part, monkeypatch):
    source, _ = part
    (tmp_path / 'expert.py').write_text(source)
    load_plugins([tmp_path / 'expert.py', 'expert.py'], near=tmp_path / 'a.yaml')
    monkeypatch.chdir(tmp_path)
    load_plugins(['./expert.py'])


def test_a_module_that_was_imported_otherwise_is_not_imported_again(tmp_path, part, monkeypatch):
    source, name = part
    (tmp_path / f'{name}.py').write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    __import__(name)
    load_plugins([tmp_path / f'{name}.py'])
    del sys.modules[name]


def test_folders(tmp_path, part):
    source, name = part
    (tmp_path / 'loose').mkdir()
    (tmp_path / 'loose/expert.py').write_text(source)
    (tmp_path / 'loose/_private.py').write_text('raise RuntimeError')
    load_plugins(['loose'], near=tmp_path / 'a.yaml')
    assert name in EXPERTS.module_dict


def test_packages_as_folders_and_by_name(tmp_path, part, monkeypatch):
    source, name = part
    package = tmp_path / f'package_{name}'
    package.mkdir()
    (package / '__init__.py').write_text('from . import expert')
    (package / 'expert.py').write_text(source)
    load_plugins([package.name], near=tmp_path / 'a.yaml')
    assert name in EXPERTS.module_dict

    EXPERTS.module_dict.pop(name)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f'module_{name}.py').write_text(source)
    load_plugins([f'module_{name}'], near='/somewhere/else/a.yaml')
    assert name in EXPERTS.module_dict


def test_a_plugin_that_fails_is_named_with_its_line(tmp_path):
    (tmp_path / 'fails.py').write_text('import os\n\nprint(undefined)\n')
    with pytest.raises(ImportError, match=r'fails\.py could not.*NameError.*fails\.py, line 3'):
        load_plugins(['fails.py'], near=tmp_path / 'a.yaml')
    (tmp_path / 'fails.py').write_text('def f(:\n')
    with pytest.raises(ImportError, match=r'SyntaxError.*fails\.py, line 1'):
        load_plugins(['fails.py'], near=tmp_path / 'a.yaml')


def test_a_plugin_that_lacks_a_package_says_so(tmp_path):
    (tmp_path / 'needs.py').write_text('import not_installed_anywhere\n')
    with pytest.raises(ImportError, match="No module named 'not_installed_anywhere'"):
        load_plugins(['needs.py'], near=tmp_path / 'a.yaml')


@pytest.mark.parametrize(
    ('plugins', 'error', 'message'),
    [
        (['plugins/none.py'], FileNotFoundError, r"'plugins/none\.py' was not found\. Tried: "),
        (['no_such_module'], FileNotFoundError, 'neither a file or folder nor an installed'),
        ('plugins/one.py', ValueError, 'must be a list'),
        ([3], ValueError, 'plugins: 3'),
    ],
)
def test_what_is_no_plugin(plugins, error, message):
    with pytest.raises(error, match=message):
        load_plugins(plugins)
