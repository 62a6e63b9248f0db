"""Finding things in five seconds: one part per file, the file named for its class."""

import inspect
from collections import Counter
from pathlib import Path

import pytest

from irbox.registry import part_kinds
from support.paths import ROOT

BUDGET = 300


def registered():
    for kind in part_kinds():
        kind.registry.import_from_location()
        for name, part in sorted(kind.registry.module_dict.items()):
            if inspect.isclass(part) and part.__module__.startswith('irbox.'):
                yield pytest.param(kind, name, part, id=f'{kind.registry.name}-{name}')


PARTS = list(registered())


@pytest.mark.parametrize(('kind', 'name', 'part'), PARTS)
def test_a_part_stands_in_the_file_of_its_name(kind, name, part):
    file = Path(inspect.getfile(part))
    assert name == part.__name__
    assert file.stem.replace('_', '') == name.lower(), f'{name} stands in {file.name}'
    assert file.stem == file.stem.lower()
    rooms = {folder.partition('.')[0] for folder in kind.folders}
    assert part.__module__.split('.')[1] in rooms


def test_one_part_per_file():
    files = Counter(inspect.getfile(part) for part in {case.values[2] for case in PARTS})
    assert not {file: count for file, count in files.items() if count > 1}


@pytest.mark.parametrize(('kind', 'name', 'part'), PARTS)
def test_a_part_is_listed_by_its_folder(kind, name, part):
    folder = inspect.getmodule(part).__package__
    listed = __import__(folder, fromlist=['__all__']).__all__
    assert name in listed


@pytest.mark.parametrize(('kind', 'name', 'part'), PARTS)
def test_a_part_says_what_it_does_and_what_it_takes(kind, name, part):
    text = inspect.getdoc(part) if part.__doc__ else ''
    assert text, f'{name} has no docstring'
    assert len(text.splitlines()[0]) > 20
    parameters = list(inspect.signature(part).parameters)
    if '__init__' in vars(part):
        undocumented = [p for p in parameters if f'{p}:' not in text and p != 'kwargs']
        assert not undocumented, f'{name} does not document {", ".join(undocumented)}'


def test_files_stay_within_their_budget():
    files = [*(ROOT / 'irbox').rglob('*.py'), *(ROOT / 'tools').glob('*.py')]
    lengths = {str(f.relative_to(ROOT)): len(f.read_text().splitlines()) for f in files}
    long = {name: length for name, length in lengths.items() if length > BUDGET}
    assert not long, f'above {BUDGET} lines, split them: {long}'
