import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from irbox.page.desk import pack
from irbox.page.limits import Limits
from irbox.page.shelf import Shelf
from irbox.pictures import read_picture
from irbox.restore.load import load
from support.picture_files import KINDS

ENDS = {'png': '.png', 'jpeg': '.jpg', 'webp': '.webp', 'tiff': '.tif'}
SOME = ('png-rgb16', 'png-palette', 'jpeg-420', 'webp-lossless-alpha', 'tiff-float', 'tiff-grey16')


@pytest.mark.parametrize('kind', SOME)
def test_bit_for_bit_what_the_command_writes(desk, by_command, tmp_path, kind):
    path = tmp_path / f'given{ENDS[kind.partition("-")[0]]}'
    path.write_bytes(KINDS[kind]())
    with desk.visitors.working('a') as visitor:
        outcome = desk.restore(visitor, [path], desk.settings())[0]
        assert outcome.status == 'restored', outcome.reason
        assert outcome.job.target.read_bytes() == by_command(path)
        views = visitor.done[0].views
        size = read_picture(path).size
        for view in vars(views).values():
            with Image.open(view) as image:
                assert image.size == size


def test_another_strength_is_what_the_command_writes(desk, jpeg, by_command):
    with desk.visitors.working('a') as visitor:
        desk.restore(visitor, [jpeg], desk.settings())
        done = visitor.done[0]
        half = done.at(0.5)
        assert half.job.target.read_bytes() == by_command(jpeg, '--strength', '0.5')
        assert half.views.after != done.views.after
        assert half.at(1).job.target.read_bytes() == by_command(jpeg)


def test_what_is_told(desk, jpeg, by_command):
    settings = desk.settings('48', 0.7, {'rain': 1.0, 'haze': 0.5, 'noise': 0.0})
    with desk.visitors.working('a') as visitor:
        outcome = desk.restore(visitor, [jpeg], settings)[0]
        told = ('--tile', '48', '--strength', '0.7', '--task', 'rain=1', '--task', 'haze=0.5')
        wanted = by_command(jpeg, *told, '--task', 'noise=0')
        assert outcome.job.target.read_bytes() == wanted
        assert visitor.done[0].report.steered['rain'] == pytest.approx(2 / 3, abs=1e-4)


def test_a_bad_file_stops_no_other(desk, jpeg, tmp_path):
    text, huge = tmp_path / 'text.jpg', tmp_path / 'huge.png'
    text.write_text('no picture')
    Image.new('L', (1000, 1000)).save(huge)
    said = []
    with desk.visitors.working('a') as visitor:
        outcomes = desk.restore(
            visitor, [text, huge, jpeg], desk.settings(), say=lambda *one: said.append(one)
        )
        assert [one.status for one in outcomes] == ['failed', 'failed', 'restored']
        assert 'text.jpg' in outcomes[0].reason
        assert str(tmp_path) not in outcomes[0].reason
        assert str(visitor.folder) not in outcomes[0].reason
        assert '1000x1000 pixels, 1 megapixels; this page takes 0.2' in outcomes[1].reason
        assert [one.job.source.name for one in visitor.done] == ['a.jpg']
    assert said[-1] == (1, 'a.jpg (3 of 3)')


def test_files_of_one_name_and_their_zip(desk, jpeg, tmp_path):
    with desk.visitors.working('a') as visitor:
        desk.restore(visitor, [jpeg, jpeg], desk.settings())
        archive = pack(visitor.done, tmp_path / 'all.zip')
        content = visitor.done[0].job.target.read_bytes()
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == ['a_restored.jpg', 'a_restored_2.jpg']
        assert opened.read('a_restored_2.jpg') == content
        assert Image.open(io.BytesIO(content)).size == (120, 80)


def test_cancel_within_a_tile(desk, jpeg):
    shares = []
    with desk.visitors.working('a') as visitor:

        def say(share, text):
            shares.append(share)
            if share > 0:
                visitor.stop.set()

        outcomes = desk.restore(visitor, [jpeg, jpeg], desk.settings('16'), 'slow', say=say)
        assert [one.status for one in outcomes] == ['failed']
        assert not visitor.done
    assert sum(share > 0 for share in shares) == 1
    assert desk.turns.lengths() == {'cpu': 0}


def test_the_share_grows(desk, jpeg):
    shares = []
    with desk.visitors.working('a') as visitor:
        desk.restore(
            visitor, [jpeg, jpeg], desk.settings('48'), say=lambda share, text: shares.append(share)
        )
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert 0.5 in shares


@pytest.mark.parametrize(
    ('files', 'options', 'text'),
    [
        (0, {}, 'There is no picture yet'),
        (4, {}, '4 pictures at once are too many: this page takes 3'),
        (1, {'model': 'nope'}, "This page has no model 'nope'. It has: tiny, slow"),
        (1, {'device': 'abacus'}, "There is no device 'abacus' here: cpu"),
    ],
)
def test_what_is_refused(desk, jpeg, files, options, text):
    with desk.visitors.working('a') as visitor, pytest.raises(ValueError, match=text):
        desk.restore(visitor, [jpeg] * files, desk.settings(), **options)


@pytest.mark.parametrize(('tile', 'strength'), [('0', 1), ('some', 1), ('-1', 1), ('auto', 2)])
def test_settings_that_are_none(desk, tile, strength):
    with pytest.raises(ValueError, match='[Tt]ile|strength'):
        desk.settings(tile, strength)


def test_bytes_are_limited(tmp_path):
    path = tmp_path / 'noise.png'
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    with pytest.raises(ValueError, match=r'noise.png is too large: .* this page takes 0 MiB'):
        Limits(bytes=1000).check(path)


def test_two_models_side_by_side(desk, jpeg, by_command):
    with desk.visitors.working('a') as visitor:
        desk.restore(visitor, [jpeg], desk.settings(), 'tiny')
        desk.restore(visitor, [jpeg], desk.settings(), 'slow', beside=True)
        (first,), (second,) = visitor.done, visitor.beside
        assert first.job.target.read_bytes() == by_command(jpeg)
        assert second.job.target.read_bytes() == by_command(jpeg, model='slow')
        assert first.views.after.read_bytes() != second.views.after.read_bytes()
    with desk.visitors.working('a') as visitor:
        assert not visitor.beside and not any(visitor.folder.iterdir())


def test_a_model_named_twice_is_loaded_once(folders):
    loaded = []
    name = str(folders['tiny'])
    shelf = Shelf([name, name], lambda *one: loaded.append(one) or load(*one), 'cpu')
    assert shelf.names == ['tiny'] and len(loaded) == 1
