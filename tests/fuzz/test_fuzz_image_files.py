"""Damaged image files of every format, through every reader: an image, or the one message."""

import io
import warnings

import numpy as np
import pytest

from irbox.datasets.file_facts import read_facts
from irbox.datasets.read_image import BadImageError, image_size, open_image
from irbox.pictures.read_picture import read_picture
from irbox.pictures.write_picture import write_picture
from irbox.restore.masks import read_mask
from support.fuzz import damaged, fuzz
from support.picture_files import KINDS

FORMATS = sorted({kind.split('-')[0] for kind in KINDS})


def files_of(name):
    return [make() for kind, make in KINDS.items() if kind.split('-')[0] == name]


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield


@pytest.mark.parametrize('name', FORMATS)
def test_data_sets(name, tmp_path):
    path = tmp_path / 'a.png'

    def check(content):
        path.write_bytes(content)
        for read in (open_image, image_size, lambda path: read_mask(path, (48, 64))):
            try:
                assert np.asarray(read(path)).size
            except BadImageError as error:
                assert str(path) in str(error) and '\n' not in str(error)
            except ValueError as error:
                assert read not in (open_image, image_size) and str(error).startswith('mask')
        facts = read_facts([path], False)[path]
        assert '\n' not in (facts.problem or '')

    fuzz(check, damaged(files_of(name)), examples=12)


def _write_back(picture):
    for format in ('keep', 'png'):
        answer = io.BytesIO()
        try:
            write_picture(picture, picture.pixels, answer, format=format)
        except ValueError:
            continue
        again = read_picture(answer.getvalue())
        assert again.pixels.shape == picture.pixels.shape


@pytest.mark.parametrize('name', FORMATS)
def test_restoring(name, tmp_path):
    path = tmp_path / 'a.png'

    def check(content):
        path.write_bytes(content)
        try:
            picture = read_picture(path)
        except ValueError as error:
            assert 'Picture' in str(error)
        else:
            assert picture.pixels.ndim == 3 and picture.pixels.dtype.kind in 'uf'
            _write_back(picture)

    fuzz(check, damaged(files_of(name)), examples=12)
