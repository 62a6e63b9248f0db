"""Headers; ``test_wrong_files.py`` has the files that are refused."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irbox.pictures.open_source import MAX_PIXELS, check_size, open_source, picture_size
from support.picture_files import deep, photograph, saved, tiff


def test_a_name_and_the_digest_of_the_bytes(tmp_path):
    data = saved(photograph(), 'PNG')
    path = tmp_path / 'a.png'
    path.write_bytes(data)
    file = io.BytesIO(data)
    file.name = 3
    with path.open('rb') as opened:
        found = [open_source(one) for one in (path, data, file, opened)]
    assert [one.name for one in found] == [
        str(path),
        'given as bytes',
        'given as a file',
        str(path),
    ]
    assert {one.digest for one in found} == {hashlib.sha256(data).hexdigest()}
    assert all(one.data == data and one.image.size == (64, 48) for one in found)


def test_images_in_memory_differ_by_mode_size_and_values():
    wide, high = Image.new('L', (2, 3)), Image.new('L', (3, 2))
    images = [wide, high, Image.new('P', (2, 3)), Image.new('L', (2, 3), 1)]
    assert len({open_source(one).digest for one in images}) == 4
    assert open_source(wide).digest == open_source(wide.copy()).digest
    assert open_source(wide).name == 'given as a PIL image' and open_source(wide).data is None


def test_the_size_is_that_of_the_header(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert picture_size(saved(photograph(), 'JPEG', exif=exif)) == (64, 48)
    planes = tiff(deep().transpose(2, 0, 1), photometric='rgb', planarconfig='separate')
    assert picture_size(planes) == (64, 48)


def test_the_size_of_a_large_file_is_read_from_its_beginning(tmp_path, monkeypatch):
    path = tmp_path / 'a.jpg'
    path.write_bytes(saved(photograph(), 'JPEG') + bytes(1 << 20))
    monkeypatch.setattr(Path, 'read_bytes', lambda path: pytest.fail('read whole'))
    assert picture_size(path) == picture_size(str(path)) == (64, 48)


def test_a_tiff_file_that_only_tifffile_reads_has_its_size_packet_and_profile():
    tags = [(700, 7, 4, b'<x/>', True), (34675, 7, 4, b'icc!', True)]
    values = np.zeros((5, 7, 3), np.float64)
    opened = open_source(tiff(values, photometric='rgb', extratags=tags))
    assert (opened.image.size, opened.image.format) == ((7, 5), 'TIFF')
    assert opened.image.info == {'xmp': b'<x/>', 'icc_profile': b'icc!'}


@pytest.mark.parametrize(
    ('size', 'limit', 'said'),
    [
        ((0, 5), None, r'has no pixels \(0x5\). Replace the file'),
        (
            (1000, 2001),
            2_000_000,
            r'has 1000x2001 = 2.0 mega.* 2.0 are allowed. Raise max_pixels',
        ),
        ((2**14, 2**14 + 1), None, 'at most 268.4 are allowed'),
        ((1, 1), 0, '1x1'),
    ],
)
def test_sizes_that_are_refused(size, limit, said):
    with pytest.raises(ValueError, match=f'^Picture x .*{said}'):
        check_size('x', size, limit)
    check_size('x', (2**14, MAX_PIXELS // 2**14), None)
    check_size('x', (1000, 2000), 2_000_000)
