"""One of each: who reads and writes weights, and who gives files their names, is settled."""

import ast

import pytest

from support.paths import ROOT

WEIGHTS, FILES = 'irbox/utils/weights.py', 'irbox/utils/files.py'
# What is called or imported -> the one module that may.
OWNERS = {
    'torch.load': WEIGHTS,
    'torch.save': WEIGHTS,
    'safetensors': WEIGHTS,
    'pickle.load': WEIGHTS,
    'pickle.loads': WEIGHTS,
    'os.replace': FILES,
    'os.rename': FILES,
    'os.fsync': FILES,
    'shutil.move': FILES,
    'Path.replace': FILES,
    'Path.rename': FILES,
}


def sources():
    for folder in ('irbox', 'plugins', 'tools'):
        yield from sorted((ROOT / folder).rglob('*.py'))


def used(source):
    """What of the owned things a source uses, and in which line, under any name."""
    tree = ast.parse(source)
    names = {}  # a name here -> what it stands for
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition('.')[0]
                names[alias.asname or whole] = whole
                yield from owned(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f'{node.module}.{alias.name}'
                yield from owned(f'{node.module}.{alias.name}', node.lineno)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield from owned(dotted(node, names), node.lineno)
        # A text's replace takes two arguments, a path's one; no text has a rename.
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            given = len(node.args) + len(node.keywords)
            if node.func.attr in ('replace', 'rename') and given == 1:
                yield f'Path.{node.func.attr}', node.lineno


def owned(name, line):
    for thing in OWNERS:
        if name == thing or name.startswith(f'{thing}.'):
            yield thing, line


def dotted(node, names):
    """The whole name of an attribute, such as torch.load; empty for attributes of values."""
    parts = [node.attr]
    while isinstance(node := node.value, ast.Attribute):
        parts.append(node.attr)
    if not isinstance(node, ast.Name):
        return ''
    return '.'.join([names.get(node.id, node.id), *reversed(parts)])


def test_there_is_one_of_each():
    found = [
        f'{path.relative_to(ROOT)}:{line} uses {thing}, which is for {OWNERS[thing]} alone'
        for path in sources()
        for thing, line in used(path.read_text(encoding='utf-8'))
        if str(path.relative_to(ROOT)) != OWNERS[thing]
    ]
    assert not found, '\n'.join(found)


@pytest.mark.parametrize('thing', ['torch.load', 'torch.save', 'os.replace', 'os.fsync'])
def test_the_one_is_called_in_one_line(thing):
    path = ROOT / OWNERS[thing]
    assert [name for name, _ in used(path.read_text(encoding='utf-8'))].count(thing) == 1


@pytest.mark.parametrize(
    ('source', 'things'),
    [
        ('import torch\ntorch.load(path)', ['torch.load']),
        ('import torch as t\nt.load(path)', ['torch.load']),
        ('from torch import load\nload(path)', ['torch.load']),
        ('import torch\nread = torch.save', ['torch.save']),
        ('def f():\n    from safetensors.torch import load_file', ['safetensors']),
        ('import safetensors.torch', ['safetensors']),
        ('import os\nos.replace(a, b)', ['os.replace']),
        ('from os import rename as r', ['os.rename']),
        ('partial.rename(path)', ['Path.rename']),
        ('path.with_name(x).replace(target)', ['Path.replace']),
        ('import pickle\npickle.loads(text)', ['pickle.loads']),
        ('text.replace("a", "b")', []),
        ('from dataclasses import replace\nreplace(context, prior=None)', []),
        ('model.load(path); torch_load(path)', []),
    ],
)
def test_what_the_rule_finds(source, things):
    assert [thing for thing, _ in used(source)] == things
