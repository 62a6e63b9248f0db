import itertools
import json
import runpy
import subprocess
import sys

import pytest

from irbox.config.command_line import run_tool
from irbox.registry import BLOCKS, EXPERTS, LOSSES, PRIORS, ROUTERS
from support.paths import ROOT

TOOL = ROOT / 'tools/list_parts.py'
COUNTER = itertools.count()
PLUGIN = '''
from torch import nn
from irbox.registry import EXPERTS


@EXPERTS.register_module()
class {name}(nn.Module):
    """Does [nothing] at all.

    Longer.
    """

    def __init__(self, dim, depth, ratio=1.5, mode='a'):
        super().__init__()
'''


@pytest.fixture
def listed(capsys):
    def listed(*arguments):
        main = runpy.run_path(str(TOOL))['main']
        try:
            run_tool(lambda: main([str(argument) for argument in arguments]))
        except SystemExit as leaving:
            assert leaving.code == 2
        return capsys.readouterr()

    return listed


@pytest.fixture
def plugin(tmp_path):
    name = f'ListedExpert{next(COUNTER)}'
    path = tmp_path / 'mine.py'
    path.write_text(PLUGIN.format(name=name))
    yield name, path
    EXPERTS.module_dict.pop(name, None)


def test_every_part_of_irbox_is_listed(listed):
    parts = json.loads(listed('--json').out)
    for kind, registry in (
        ('blocks', BLOCKS),
        ('routers', ROUTERS),
        ('experts', EXPERTS),
        ('priors', PRIORS),
        ('losses', LOSSES),
    ):
        assert {p['name'] for p in parts if p['kind'] == kind} == set(registry.module_dict)
    own = [part for part in parts if not part['plugin']]
    assert len(own) > 40
    for part in own:
        assert part['summary'] and (ROOT / part['file']).is_file()
        # A decorated class is found at its decorator.
        source = (ROOT / part['file']).read_text().splitlines()[part['line'] - 1 :][:3]
        assert any(part['name'] in line for line in source), part


def test_a_part_is_listed_with_its_arguments(listed):
    parts = {part['name']: part for part in json.loads(listed('--json', '--kind', 'blocks').out)}
    assert {part['kind'] for part in parts.values()} == {'blocks'}
    dder = parts['DDER']
    assert dder['file'] == 'irbox/blocks/dder.py'
    assert dder['summary'].startswith('Degradation-aware dynamic expert routing')
    assert dder['arguments'] == {
        'router': '',
        'expert': '',
        'num_experts': '6',
        'top_k': '2',
        'combine': "'sum'",
    }


def test_a_plugin_is_marked(listed, plugin):
    name, path = plugin
    out = ' '.join(listed('--kind', 'experts', path).out.split())
    assert f'{name} (plug-in)' in out and 'Does [nothing] at all.' in out
    assert "depth, ratio=1.5, mode='a'" in out
    assert 'MLPExpert (plug-in)' not in out
    part = next(p for p in json.loads(listed('--json', path).out) if p['name'] == name)
    assert part['plugin'] == part['file'] == str(path) and part['line'] == 6


def test_a_class_that_was_made_by_a_call_is_listed(listed, plugin):
    name, path = plugin
    with path.open('a') as file:
        file.write(
            f"\n\nEXPERTS.register_module(name='{name}Made', module=type('Made', (), {{}}))\n"
        )
    parts = {part['name']: part for part in json.loads(listed('--json', path).out)}
    assert parts[f'{name}Made']['arguments'] == {} and parts[f'{name}Made']['summary'] == ''
    EXPERTS.module_dict.pop(f'{name}Made')


@pytest.mark.parametrize('suffix', ['.yaml', '.py'])
def test_the_plugins_of_a_config(listed, plugin, tmp_path, suffix):
    name, path = plugin
    config = tmp_path / f'config{suffix}'
    config.write_text('plugins: [mine.py]\n' if suffix == '.yaml' else "plugins = ['mine.py']\n")
    names = [part['name'] for part in json.loads(listed('--json', config).out)]
    assert name in names and 'MLPExpert' in names


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        (['--kind', 'block'], "--kind block: unknown. Did you mean 'blocks'?"),
        (['none.py'], "'none.py' was not found"),
        (['none.yaml'], 'none.yaml does not exist'),
    ],
)
def test_mistakes(listed, arguments, text):
    assert text in listed(*arguments).err


@pytest.mark.slow
def test_broken_plugins(listed, tmp_path, monkeypatch):
    (tmp_path / 'broken.py').write_text('x = 1\n1 / 0\n')
    assert 'ZeroDivisionError: division by zero' in listed(tmp_path / 'broken.py').err
    info = tmp_path / 'site/irbox_broken-1.dist-info'
    info.mkdir(parents=True)
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: irbox_broken\nVersion: 1\n')
    (info / 'entry_points.txt').write_text('[irbox.plugins]\nlisted_broken = irbox_broken\n')
    (tmp_path / 'site/irbox_broken.py').write_text('raise OSError("no")\n')
    result = subprocess.run(
        [sys.executable, TOOL, '--kind', 'experts'],
        env={'PYTHONPATH': str(tmp_path / 'site'), 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'MLPExpert' in result.stdout
    assert 'WARNING: plugins: listed_broken (the installed plug-in irbox_broken 1)' in result.stderr
    assert 'irbox_broken.py, line 1' in result.stderr
