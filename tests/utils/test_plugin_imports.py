"""Whole or not at all; ``tests/config/test_plugins.py`` has the way of a config to it."""

import runpy
import sys
from importlib.metadata import EntryPoint

import pytest
from mmengine.registry import Registry

from irbox.utils import plugin_imports
from irbox.utils.plugin_imports import (
    GROUP,
    import_all_installed,
    import_installed,
    importing,
    installed_plugins_used,
    part_origins,
    source_of,
)

REGISTERS = 'REGISTRY.register_module(name={!r}, module=list)'


@pytest.fixture
def parts(monkeypatch):
    """A registry of the test's own with one part in it, in a process that has tried nothing."""
    monkeypatch.setattr(plugin_imports, '_failures', {})
    monkeypatch.setattr(plugin_imports, '_parts', {})
    registry = Registry('a part', scope='irbox_tests')
    registry.register_module(name='Own', module=dict)
    monkeypatch.setattr(plugin_imports, 'REGISTRY', registry, raising=False)
    return registry


@pytest.fixture
def write(tmp_path, monkeypatch, parts):
    """Write modules that can be imported, and register in ``REGISTRY``."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(name, *lines):
        path = tmp_path / f'{name}.py'
        path.write_text('\n'.join(('from irbox.utils.plugin_imports import REGISTRY', *lines)))
        return path

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def installed(module):
    return EntryPoint(f'the {module}', module, GROUP)


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        ('1 / 0', r'ZeroDivisionError: division by zero \(\S*mine.py, line 3\)\.$'),
        ('import json; json.loads("{")', r'JSONDecodeError: .* \(\S*mine.py, line 3\)\.$'),
        ('x = = 1', r'SyntaxError: .* \(\S*mine.py, line 3\)\.$'),
        ('raise SystemExit(2)', r'ended the program \(SystemExit: 2\) .*Put what only a script'),
        ('import beside_it', r'ModuleNotFoundError: .* beside_it.py stands beside it, .* folder'),
        (REGISTERS.format('Own'), r'Own is already registered .* Give the class a name of its own'),
    ],
)
def test_what_fails_brings_no_part_and_says_where(write, parts, monkeypatch, line, said):
    path = write('mine', REGISTERS.format('Theirs'), line)
    write('beside_it')
    monkeypatch.delitem(sys.modules, 'beside_it', raising=False)
    monkeypatch.setattr(sys, 'path', [one for one in sys.path if one != str(path.parent)])
    with (
        pytest.raises(ImportError, match=f'^plugins: M could not be imported: .*{said}'),
        importing('M', 'mine', path, [parts]),
    ):
        runpy.run_path(str(path))
    assert parts.module_dict == {'Own': dict}


def test_an_installed_plugin_is_imported_once_and_can_be_tried_again(write, parts):
    path = write('irbox_once', REGISTERS.format('Theirs'), '1 / 0')
    plugin = installed('irbox_once')
    with pytest.raises(ImportError, match='the irbox_once .the installed plug-in irbox_once. coul'):
        import_installed(plugin, [parts])
    assert 'irbox_once' not in sys.modules and set(parts.module_dict) == {'Own'}
    path.write_text(path.read_text().replace('1 / 0', 'MENDED = True'))
    import_installed(plugin, [parts])
    assert sys.modules['irbox_once'].MENDED and set(parts.module_dict) == {'Own', 'Theirs'}
    # A second import would register the name a second time.
    del sys.modules['irbox_once']
    import_installed(plugin, [parts])
    assert 'irbox_once' not in sys.modules


def test_a_broken_one_stops_no_other_and_parts_know_whence_they_came(write, parts, monkeypatch):
    write('irbox_a', '1 / 0')
    write('irbox_b', REGISTERS.format('OfB'))
    both = [installed('irbox_a'), installed('irbox_b')]
    monkeypatch.setattr(plugin_imports, 'installed_plugins', lambda: both)
    for _ in range(2):
        (failure,) = import_all_installed([parts])
        assert 'irbox_a.py, line 2' in failure
    assert part_origins() == {'OfB': 'the irbox_b'}
    part_origins().clear()
    config = {'type': 'Own', 'blocks': [{'type': 'x', 'router': ({'type': 'OfB'},)}]}
    assert installed_plugins_used(config) == ['the irbox_b']
    assert installed_plugins_used({'OfB': 'type', 'type': ['OfB']}) == []


def test_the_file_or_folder_of_a_module(write, tmp_path):
    path = write('irbox_single', '1 / 0')
    (tmp_path / 'irbox_folder/below').mkdir(parents=True)
    (tmp_path / 'irbox_folder/__init__.py').write_text('1 / 0')
    assert source_of('irbox_single') == path
    assert source_of('irbox_folder.below.deeper') == tmp_path / 'irbox_folder'
    for unknown in ('irbox_none', 'sys'):
        assert source_of(unknown) is None
    assert not {'irbox_single', 'irbox_folder'} & set(sys.modules)
