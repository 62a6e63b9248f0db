"""Declarations of data sets, trees of folders and entries of sources that nobody would write."""

import shutil

import numpy as np
import pytest
import yaml
from hypothesis import strategies as st
from PIL import Image

from irbox.datasets.pairs.data_source import find_source
from support.fuzz import changed, fuzz, odd_values
from support.paths import ROOT

SETS = sorted(ROOT.glob('irbox/datasets/sets/*.yaml'))
FOLDERS = ('rain', 'norain', 'input', 'gt', 'target', 'train', 'Test', 'X2', '.', 'a b', '__MACOSX')
NAMES = ('1.png', 'rain-1.png', 'norain-1.png', '1x2.png', '001.JPG', '._1.png', '1_2_0.8.jpg', 'x')

names = st.lists(st.sampled_from(FOLDERS), min_size=1, max_size=3).map('/'.join)
trees = st.dictionaries(names, st.lists(st.sampled_from(NAMES), max_size=5), max_size=6)


def grow(root, tree):
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for folder, files in tree.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(files):
            if name != 'x':
                Image.fromarray(np.full((8, 8, 3), 9 * number, np.uint8)).save(root / folder / name)


def look(root, entry):
    for strict in (True, False):
        try:
            source = find_source('rain', entry, root, strict=strict)
            assert len(source.pairs) and all(str(part) for part in source.pairs[0])
            assert all(isinstance(text, str) for text in source.differences())
        except (ValueError, FileNotFoundError) as error:
            assert str(error)


@pytest.mark.parametrize('path', SETS, ids=lambda path: path.stem)
def test_declarations(path, tmp_path):
    own, root = tmp_path / 'own.yaml', tmp_path / 'data'
    content = yaml.safe_load(path.read_text())

    def check(example):
        declaration, tree = example
        own.write_text(yaml.safe_dump(declaration))
        grow(root, tree)
        look(root, {'set': str(own), 'split': 'train'})

    fuzz(check, st.tuples(changed(content), trees), examples=3)


def test_entries(tmp_path):
    whole = {
        'input': 'rain',
        'target': 'norain',
        'pairing': ['same', ['rain-(\\d+)', 'norain-\\1']],
        'repeat': 2,
        'names': '\\d+',
        'degrade': [{'type': 'GaussianNoise', 'sigma': [0, 50]}],
        'exclude_ids': {'pattern': '(\\d+)', 'first': 2, 'last': 3},
    }

    def check(example):
        entry, tree = example
        grow(tmp_path / 'data', tree | {'rain': ['1.png', 'rain-1.png'], 'norain': ['1.png']})
        look(tmp_path / 'data', entry)

    fuzz(check, st.tuples(st.one_of(changed(whole), odd_values), trees), examples=30)
