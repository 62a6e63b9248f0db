import math
import sys

import pytest

from irbox.evaluation.tables import (
    ImageRow,
    Origin,
    read_image_scores,
    to_image_rows,
    write_image_scores,
)

ORIGIN = Origin('tiny', 'w/final.pth', 'ab' * 32)
ROWS = [
    ImageRow('rain', 'a, "b"', 'aio', {'psnr': 30.123456789012345, 'ssim': 0.9, 'lpips': 0.1}),
    ImageRow('haze', 'é_1', 'aio', {'psnr': math.inf, 'ssim': 1.0, 'lpips': 0.0}),
    ImageRow('rain', 'a, "b"', 'y601', {'psnr': 31.5, 'ssim': 0.92}),
]


@pytest.mark.parametrize('suffix', ['csv', 'parquet'])
def test_read_as_written(tmp_path, suffix):
    if suffix == 'parquet':
        pytest.importorskip('pyarrow')
    path = tmp_path / f'new/scores.{suffix}'
    write_image_scores(ROWS, ORIGIN, path)
    rows, what = read_image_scores(path)
    assert rows == ROWS
    assert what == 'tiny (abababababab)'
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_file_in_so_many_words(tmp_path):
    write_image_scores(ROWS[:1], ORIGIN, tmp_path / 'scores.csv')
    assert (tmp_path / 'scores.csv').read_text() == (
        'task,image,protocol,config,checkpoint_sha256,psnr,ssim,lpips\n'
        f'rain,"a, ""b""",aio,tiny,{"ab" * 32},30.123456789012344,0.9,0.1\n'
    )


def test_rows_of_sets_and_protocols():
    found = {
        'one': [('rain', 'x', {'psnr': 1.0, 'psnr@y601': 2.0, 'lpips': 3.0})],
        'two': [('rain', 'x', {'psnr': 4.0, 'psnr@y601': 5.0})],
    }
    tasks = {('one', 'rain'): 'one', ('two', 'rain'): 'two'}
    assert to_image_rows(found, tasks, ['aio', 'y601']) == [
        ImageRow('one', 'x', 'aio', {'psnr': 1.0, 'lpips': 3.0}),
        ImageRow('two', 'x', 'aio', {'psnr': 4.0}),
        ImageRow('one', 'x', 'y601', {'psnr': 2.0}),
        ImageRow('two', 'x', 'y601', {'psnr': 5.0}),
    ]


@pytest.mark.parametrize(
    ('text', 'error'),
    [
        ('task,image\nrain,x\n', 'no column protocol, config, checkpoint_sha256'),
        ('task,image,protocol,config,checkpoint_sha256,psnr\n', 'holds no image'),
        (
            'task,image,protocol,config,checkpoint_sha256,psnr\nrain,x,aio,c,s,high\n',
            "line 2: could not convert string to float: 'high'",
        ),
    ],
)
def test_other_files(tmp_path, text, error):
    (tmp_path / 'a.csv').write_text(text)
    with pytest.raises(ValueError, match=error):
        read_image_scores(tmp_path / 'a.csv')


def test_wrong_names(tmp_path):
    with pytest.raises(ValueError, match=r'must end in \.csv or \.parquet'):
        read_image_scores(tmp_path / 'a.json')
    with pytest.raises(FileNotFoundError, match='--per-image FILE writes one'):
        read_image_scores(tmp_path / 'a.csv')
    (tmp_path / 'b.csv').mkdir()
    with pytest.raises(ValueError, match=r'b\.csv is a folder'):
        write_image_scores(ROWS, ORIGIN, tmp_path / 'b.csv')


def test_parquet_without_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pyarrow', None)
    monkeypatch.setitem(sys.modules, 'pyarrow.parquet', None)
    with pytest.raises(ImportError, match='pip install pyarrow'):
        write_image_scores(ROWS, ORIGIN, tmp_path / 'a.parquet')
