import pytest
import torch

from irbox.restore import choose_tile
from irbox.restore.choose_tile import CPU_WORK, choose_tiles
from irbox.restore.memory_need import MemoryNeed
from irbox.restore.report import Report

CPU = torch.device('cpu')
GIB = 2**30


def choose(size, tile='auto', overlap=None, *, need=None, max_memory=None, multiple=8, bytes_=0):
    report = Report(size, 0, 'cpu', 'float32')
    need = need or MemoryNeed(2**26, 6000)
    choice = choose_tiles(
        size, tile, overlap, multiple, CPU, lambda: need, report, max_memory, bytes_
    )
    return choice, report


@pytest.fixture
def machine(monkeypatch):
    """A machine with 16 GiB free, of which this process holds one."""
    monkeypatch.setattr(choose_tile, 'free_memory', lambda device: 16 * GIB)
    monkeypatch.setattr(choose_tile, 'used_memory', lambda device: GIB)


@pytest.mark.parametrize('size', [(1, 1), (8, 3000), (6000, 8), (64, 64), (320, 480), (4000, 6000)])
@pytest.mark.parametrize('max_memory', [None, '1.2G', '3G', '20G'])
def test_auto_stays_within_memory(machine, size, max_memory):
    need = MemoryNeed(2**26, 6000)
    bytes_ = size[0] * size[1] * 3
    choice, report = choose(size, need=need, max_memory=max_memory, bytes_=bytes_)
    height, width = choice.grid.tile
    allowed = CPU_WORK if max_memory is None else (float(max_memory[:-1]) - 1) * GIB - bytes_
    assert need.of(height * width) <= allowed or choice.grid.count == 1 and height * width <= 4096
    assert not choice.fixed
    assert report.tile == choice.grid.tile


def test_auto_takes_the_whole_where_it_fits(machine):
    choice, report = choose((300, 300))
    assert choice.grid.count == 1 and report.overlap == 0
    assert choice.overlap == 32, 'of its parts, should memory run out'
    assert choose((300, 300), overlap=7)[0].overlap == 7
    assert report.notes == []


def test_auto_says_what_it_chose(machine):
    _, report = choose((4000, 6000))
    assert 'tiles of' in report.notes[0]
    assert 'the largest that memory allows' in report.notes[0]
    assert report.overlap == 32


def test_too_little_memory_says_how_much_is_needed(machine):
    with pytest.raises(ValueError, match=r'are left for tiles.*needs about.*larger max_memory'):
        choose((4000, 6000), max_memory='1.03G')


def test_a_size_that_was_set_is_kept(machine):
    choice, report = choose((4000, 6000), 1024)
    assert choice.fixed
    assert choice.grid.tile == (
        1024,
        888,
    )  # made equal: seven columns of 888 rather than six and a strip
    assert 'as set' in report.notes[0]
    with pytest.raises(ValueError, match=r'tile=1024x1024 needs about .* more than max_memory'):
        choose((4000, 6000), 1024, max_memory='2G')


def test_none_is_the_whole(machine):
    for tile in (None, 'none'):
        assert choose((4000, 6000), tile)[0].grid.count == 1


def test_small_tiles_share_less(machine):
    assert choose((100, 100), 16)[0].overlap == 4
    assert choose((100, 100), 8)[0].overlap == 0


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({'tile': 'large'}, "must be 'auto', 'none'"),
        ({'tile': 0}, "must be 'auto', 'none'"),
        ({'tile': True}, "must be 'auto', 'none'"),
        ({'tile': 1.5}, "must be 'auto', 'none'"),
        ({'tile': (3, 4, 5)}, "must be 'auto', 'none'"),
        ({'tile': 64, 'overlap': -1}, 'must be a whole number of pixels'),
        ({'tile': 64, 'overlap': 33}, 'more than half of a tile'),
        ({'max_memory': 'lots'}, 'no amount of memory'),
        ({'tile': 4}, 'cannot advance'),
    ],
)
def test_what_is_no_tile_is_refused(machine, options, text):
    with pytest.raises(ValueError, match=text):
        choose((100, 100), **options)
