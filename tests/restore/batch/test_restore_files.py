"""The command ``irbox restore``, run in this process on files of every kind."""

import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irbox.commands.main import main
from irbox.pictures import read_record
from support.tiny_model import photograph, tiny_model


@pytest.fixture(scope='module')
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp('models')
    for seed, name in enumerate(('tiny', 'other')):
        tiny_model(seed, name).save(folder / name)
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph().save('a.png')
    photograph(30, 50).save('b.jpg', quality=90)
    Path('tree/deep').mkdir(parents=True)
    photograph(20, 20).save('tree/c.png')
    photograph(22, 24).save('tree/deep/d.webp', lossless=True)
    return tmp_path


@pytest.fixture
def restore(place, models):
    def run(*arguments):
        return main(['restore', *map(str, arguments), '--model', str(models / 'tiny')])

    return run


def files():
    return {str(path) for path in Path().rglob('*') if path.is_file()}


def test_a_picture_beside_itself(restore, models, capsys):
    before = Path('a.png').read_bytes()
    assert restore('a.png') == 0
    assert Path('a.png').read_bytes() == before
    restored = np.asarray(Image.open('a_restored.png'))
    expected = tiny_model().restore(np.asarray(Image.open('a.png')))
    assert np.array_equal(restored, expected)  # one way of restoring
    assert 'Restored 1 of 1' in capsys.readouterr().err


def test_a_tree_into_another(restore):
    assert restore('tree', '--out', 'out', '--recursive') == 0
    assert {'out/c.png', 'out/deep/d.webp'} <= files()
    assert Image.open('out/deep/d.webp').size == (22, 24)


def test_one_bad_file_stops_nothing_and_is_named(restore, capsys):
    Path('tree/bad.png').write_bytes(b'no picture')
    assert restore('tree', '--out', 'out', '--report', 'r.json') == 1
    assert 'out/c.png' in files() and 'out/bad.png' not in files()
    assert 'Failed: tree/bad.png: Picture tree/bad.png is damaged' in capsys.readouterr().err
    report = json.loads(Path('r.json').read_text())
    states = {one['source']: one['status'] for one in report['pictures']}
    assert states == {'tree/bad.png': 'failed', 'tree/c.png': 'restored'}
    believed = report['pictures'][1]['models']['tiny']['degradations']
    assert list(believed) == ['haze', 'rain', 'noise']
    assert sum(believed.values()) == pytest.approx(1, abs=1e-3)


def test_nothing_could_be_done(restore):
    Path('bad.png').write_bytes(b'')
    assert restore('bad.png') == 2


def test_existing_answers(restore):
    restore('a.png')
    first = Path('a_restored.png').stat().st_mtime_ns
    assert restore('a.png', '--skip-existing') == 0
    assert Path('a_restored.png').stat().st_mtime_ns == first
    assert restore('a.png', '--overwrite') == 0
    assert Path('a_restored.png').stat().st_mtime_ns > first


def test_formats_and_names(restore):
    assert restore('a.png', '--format', 'jpg', '--quality', '80', '--suffix', '_x') == 0
    assert Image.open('a_x.jpg').format == 'JPEG'
    Path('a.png').rename('lies.jpg')  # a PNG file named as JPEG
    assert restore('lies.jpg') == 0
    assert Image.open('lies_restored.png').format == 'PNG'


def test_strength_mask_and_steering(restore):
    given = np.asarray(Image.open('a.png')).astype(int)
    restore('a.png', '--strength', '0', '--suffix', '_0')
    assert np.array_equal(np.asarray(Image.open('a_0.png')), given)
    Image.fromarray(np.zeros((40, 60), np.uint8)).save('mask.png')
    restore('a.png', '--mask', 'mask.png', '--suffix', '_m')
    assert np.array_equal(np.asarray(Image.open('a_m.png')), given)
    assert restore('a.png', '--task', 'rain=2', '--task', 'haze', '--report', 'r.json') == 0
    steered = json.loads(Path('r.json').read_text())['pictures'][0]['models']['tiny']['steered']
    assert steered == pytest.approx({'haze': 1 / 3, 'rain': 2 / 3, 'noise': 0}, abs=1e-3)


def test_a_comparison_and_a_sheet_of_models(restore, models, capsys):
    photograph().save('clean.png')
    assert restore('a.png', '--compare', '--clean', 'clean.png') == 0
    assert Image.open('a_restored_compare.png').width > 4 * 60
    both = f'{models / "tiny"},{models / "other"}'
    again = ['restore', 'a.png', '--model', both, '--done-list', 'done']
    assert main(again) == 0
    assert Image.open('a_models.png').width > 3 * 60
    first = Path('a_models.png').stat().st_mtime_ns
    assert main(again) == 0
    assert Path('a_models.png').stat().st_mtime_ns == first
    capsys.readouterr()
    assert restore('.', '--dry-run', '--skip-existing') == 0
    assert 'a_restored' not in capsys.readouterr().err  # neither answer nor sheet is an input


def test_a_clean_picture_is_that_of_the_name(restore, capsys):
    Path('clean').mkdir()
    for name in ('a.1.png', 'b.bmp'):
        photograph(8, 8).save(f'clean/{name}')
    Path('clean/a.json').write_text('{}')
    photograph().save('clean/a.png')
    assert restore('a.png', '--compare', '--clean', 'clean') == 0
    photograph().save('a[1].png')
    photograph(8, 8).save('clean/a[1].png')
    # Of another size, so that it is said which one was found.
    assert restore('a[1].png', 'b.jpg', '--compare', '--clean', 'clean') == 2
    said = capsys.readouterr().err
    assert 'picture clean/a[1].png is of 8x8' in said and 'picture clean/b.bmp is of 8x8' in said


def test_a_dry_run_writes_nothing(restore, capsys):
    before = files()
    assert restore('a.png', 'tree', '--recursive', '--out', 'out', '--dry-run') == 0
    assert files() == before
    text = capsys.readouterr().err
    assert 'a.png -> out/a.png' in text and '3 pictures' in text
    assert 'of memory' in text and 'of disk. Nothing was written.' in text


def test_standard_streams(restore, monkeypatch, capsysbinary):
    def send():
        content = io.BytesIO(Path('a.png').read_bytes())
        monkeypatch.setattr(sys, 'stdin', io.TextIOWrapper(content))

    send()
    assert restore('-', '--dry-run') == 0
    told = capsysbinary.readouterr()
    assert told.out == b'' and b'1 pictures, 0.0024 megapixels' in told.err
    assert b'cannot be read' not in told.err
    send()
    assert restore('-') == 0
    out = capsysbinary.readouterr().out
    restore('a.png')
    assert np.array_equal(
        np.asarray(Image.open(io.BytesIO(out))), np.asarray(Image.open('a_restored.png'))
    )


def test_the_record_repeats_and_proves(restore, models, capsys):
    restore('a.png', '--strength', '0.5', '--tile', '32', '--overlap', '8', '--not', 'haze')
    record = read_record('a_restored.png')
    assert record['model'] == 'tiny' and len(record['model_sha256']) == 64
    assert record['settings']['strength'] == 0.5
    verify = ['verify', 'a.png', 'a_restored.png', '--model']
    assert main([*verify, str(models / 'tiny')]) == 0
    assert 'to the bit' in capsys.readouterr().out
    assert main([*verify, str(models / 'other')]) == 1
    assert main(['verify', 'b.jpg', 'a_restored.png', '--model', str(models / 'tiny')]) == 1
    pixels = np.asarray(Image.open('a_restored.png')).copy()
    restore('b.jpg', '--like', 'a_restored.png')
    assert read_record('b_restored.jpg')['settings']['strength'] == 0.5
    assert main(['verify', 'b.jpg', 'b_restored.jpg', '--model', str(models / 'tiny')]) == 0
    restore('a.png', '--no-record', '--overwrite')
    assert read_record('a_restored.png') is None
    with pytest.raises(ValueError, match='has no record'):
        main([*verify, str(models / 'tiny')])
    assert pixels.shape == (40, 60, 3)


def test_two_processes_share_the_work_and_a_list(restore, monkeypatch):
    monkeypatch.setenv('WORLD_SIZE', '2')
    for rank in ('0', '1'):
        monkeypatch.setenv('RANK', rank)
        assert restore('a.png', 'b.jpg', 'tree', '--recursive', '--out', 'out_v1.1') == 0
        done = {name for name in files() if name.startswith('out_v1.1/') and '.irbox' not in name}
        assert len(done) == (2 if rank == '0' else 4)
    times = {name: Path(name).stat().st_mtime_ns for name in done}
    assert restore('a.png', 'b.jpg', 'tree', '--recursive', '--out', 'out_v1.1') == 0  # goes on
    assert {name: Path(name).stat().st_mtime_ns for name in done} == times


def test_a_named_answer_says_the_format(restore):
    assert restore('a.png', '--out', 'new.jpg') == 0
    assert Image.open('new.jpg').format == 'JPEG'
    assert restore('b.jpg', '--out', 'new.JPEG', '--no-record') == 0
    assert Image.open('new.JPEG').quantization == Image.open('b.jpg').quantization


def test_names_that_hold_anything(restore, capsys):
    names = ['new\nline.png', 'ä 名.png', '[1]*?.png', os.fsdecode(b'\xff.png'), '\x1b[31m.png']
    names.append('n' * 251 + '.png')
    for name in names:
        photograph(8, 8).save(name)
    Path('bad\nname.png').write_bytes(b'')
    assert restore(*names, 'bad\nname.png', '--out', 'out', '--report', 'r.json') == 1
    assert sorted(os.listdir('out')) == sorted(names)
    said = capsys.readouterr().err
    assert 'Failed: bad\\nname.png: ' in said and '\x1b' not in said
    listed = json.loads(Path('r.json').read_text())['pictures']
    assert {Path(one['target']).name for one in listed} == {*names, 'bad\nname.png'}


def test_models_of_one_name_are_told_apart(restore, models):
    tiny_model(2, 'tiny').save('mine/tiny')
    both = f'{models / "tiny"},mine/tiny'
    assert main(['restore', 'a.png', '--model', both, '--report', 'r.json']) == 0
    listed = json.loads(Path('r.json').read_text())['pictures'][0]['models']
    assert set(listed) == {str(models / 'tiny'), 'mine/tiny'}


def test_the_answers_folder_is_no_input(restore, capsys):
    arguments = ['tree', '--recursive', '--out', 'tree/new']
    assert restore(*arguments) == 0
    before = files()
    assert restore(*arguments, '--overwrite') == 0
    assert files() == before
    assert 'tree/new: not entered, since the answers go there.' in capsys.readouterr().err


def test_an_answer_is_found_again_under_its_true_name(restore):
    Path('a.png').rename('lies.jpg')
    assert restore('lies.jpg', '--done-list', 'done') == 0
    first = Path('lies_restored.png').stat().st_mtime_ns
    assert restore('lies.jpg', '--done-list', 'done') == 0
    assert restore('lies.jpg', '--skip-existing') == 0
    assert Path('lies_restored.png').stat().st_mtime_ns == first


def test_a_dangling_link_stops_nothing(restore, capsys):
    os.symlink('gone.png', 'tree/link.png')
    assert restore('tree', '--out', 'out') == 1
    assert 'out/c.png' in files()
    assert 'Failed: tree/link.png: ' in capsys.readouterr().err


def test_a_dry_run_leaves_videos_alone(restore):
    Path('clip.mp4').write_bytes(b'no film')
    before = files()
    assert restore('clip.mp4', '--dry-run') == 0
    assert files() == before


def test_one_bad_video_stops_nothing(restore, capsys):
    for name in ('a.mp4', 'b.mp4'):
        Path(name).write_bytes(b'no film')
    assert restore('a.mp4', 'b.mp4') == 2
    said = capsys.readouterr().err
    assert 'Failed: a.mp4' in said and 'Failed: b.mp4' in said


def test_a_named_video_needs_no_picture_name(restore, capsys):
    Path('clip.mp4').write_bytes(b'no film')
    assert restore('clip.mp4', '--out', 'new.mkv', '--dry-run') == 0
    assert 'clip.mp4 -> new.mkv' in capsys.readouterr().err
