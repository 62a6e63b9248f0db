"""The house keeps its bars; the counters count; the map is the tree."""

import importlib
import re
import subprocess
import sys

import pytest

from support.house import house
from support.paths import ROOT, TOOLS


@pytest.fixture(scope='module')
def floors():
    return house.read_floors()


@pytest.fixture(scope='module')
def ours(floors):
    return house.measure(ROOT, floors)


@pytest.fixture
def tree(tmp_path):
    """A checkout with one of everything that is counted."""
    files = {
        'irbox/__init__.py': 'def build():\n    from irbox import engine, utils\n',
        'irbox/registry.py': 'from irbox.utils import files\n',
        'irbox/utils/__init__.py': '',
        'irbox/utils/files.py': 'import os\nimport irbox.registry\nos.replace(1, 2)\n',
        'irbox/engine/__init__.py': 'from irbox.engine.run import Run\n',
        'irbox/engine/run.py': (
            'import torch as t\nfrom torch import load\n\n\nclass Run:\n'
            '    def __init__(self):\n        raise ValueError\n\n'
            '    def run(self):\n        raise t.load\n'
        ),
        'irbox/engine/test.py': '',
        'irbox/engine/idle.py': 'from irbox import __version__\n',
        'plugins/one.py': 'import torch\n\nread = torch.load\n',
        'tests/test_all.py': 'from irbox.engine import Run\nfrom irbox.utils import files\n',
        'tests/engine/test_test.py': '',
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_no_room_is_a_sixth_of_the_package(ours):
    room, share = ours.largest
    assert share <= house.LARGEST_SHARE, f'{room} is {share:.1%} of the package: split it'


def test_no_rooms_go_in_circles(ours):
    assert ours.circles == []


def test_only_the_face_points_up(ours):
    assert len(ours.arrows_up) <= house.ARROWS_UP
    assert all(arrow.startswith('irbox/__init__.py') for arrow in ours.arrows_up), ours.arrows_up


@pytest.mark.parametrize('brick', house.BRICKS)
def test_one_module_holds_a_brick(ours, brick):
    assert len(ours.sites[brick]) == 1, ours.sites[brick]


def test_what_is_counted(tree):
    found = house.measure(tree, {'utils': 0, 'registry': 1, 'engine': 7})
    assert found.files == {'__init__': 1, 'registry': 1, 'utils': 2, 'engine': 4}
    assert found.lines == {'__init__': 2, 'registry': 1, 'utils': 3, 'engine': 12}
    assert found.largest == ('engine', 12 / 18)
    assert found.circles == [['registry', 'utils']]
    assert found.arrows_up == [
        'irbox/__init__.py -> engine, utils',
        'irbox/utils/files.py -> registry',
    ]
    assert found.sites == {
        'torch.load': ['irbox/engine/run.py:2', 'irbox/engine/run.py:10', 'plugins/one.py:3'],
        'os.replace': ['irbox/utils/files.py:3'],
    }
    assert found.guards == ['irbox/engine/run.py:7']
    assert found.untested == ['irbox.engine.idle', 'irbox.registry']


def test_a_circle_around_a_corner():
    graph = {'a': {'b'}, 'b': {'c'}, 'c': {'a'}, 'd': {'a', 'e'}, 'e': set()}
    assert house._circles(graph) == [['a', 'b', 'c']]


def test_two_houses_side_by_side(tree):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, TOOLS / 'house.py', *arguments], capture_output=True, text=True
        )

    done = run('--before', tree)
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith('irbox/engine'))
    assert row.split()[1:3] == ['4', '12']
    assert re.search(r'biggest room +engine 66\.7% ', done.stdout)
    wrong = run('--before', tree / 'tests')
    assert wrong.returncode == 2
    assert 'has no irbox/__init__.py' in wrong.stderr


def test_the_map_has_every_room_and_no_other(ours, floors):
    assert set(floors) == (set(ours.files) - {house.FACE}) | set(house.OUTSIDE)


def test_floors_of_the_map_in_order(floors):
    assert list(floors.values()) == sorted(floors.values())


def ways():
    text = house.MAP.read_text()
    return sorted(set(re.findall(r'`((?:irbox|tools|tests|docs)[./][\w./]*\w)`', text)))


@pytest.mark.parametrize('name', ways())
def test_what_the_map_names_is_there(name):
    if '/' in name:
        assert (ROOT / name).exists()
        return
    module, _, part = name.rpartition('.')
    assert hasattr(importlib.import_module(module), part)


def test_the_map_names_stops():
    assert len([name for name in ways() if name.startswith('irbox.')]) >= 20
