import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from PIL import Image

from irbox.commands import loading_many, loading_speed
from irbox.commands import tool as tool_of
from irbox.datasets import PairedImageDataset
from support.ends_its_reader import EndsItsReader

main = tool_of('benchmark-loading')


@pytest.fixture(scope='module')
def tool():
    yield loading_speed
    MMLogger._instance_dict.pop('benchmark_loading', None)


@pytest.fixture
def folder(tool, tmp_path):
    tool.write_pairs(tmp_path / 'pairs', (64, 48), 'png', 3)
    return tmp_path / 'pairs'


def test_the_bare_loop_does_what_the_data_set_does(tool, folder):
    """The same shapes, types and range, and crops of the same files."""
    ours = PairedImageDataset(
        {'pairs': {'input': str(folder / 'input'), 'target': str(folder / 'target')}},
        patch_size=32,
    )
    bare = tool.BarePairs(folder, 32)
    assert len(bare) == len(ours) == 3
    for key in ('image', 'target'):
        one, other = bare[1, 5][key], ours[1, 5][key]
        assert one.shape == other.shape == (3, 32, 32) and one.dtype == other.dtype
        whole = np.asarray(
            Image.open(ours.pairs[1].degraded if key == 'image' else ours.pairs[1].clean)
        ).transpose(2, 0, 1)
        windows = np.lib.stride_tricks.sliding_window_view(whole, (3, 32, 32))[0]
        for crop in (one, other):
            assert (windows == (crop * 255).round().numpy().astype(np.uint8)).all((2, 3, 4)).any()


def test_speeds_are_those_of_the_processor(tool, folder, monkeypatch):
    """With a clock that ticks once per sample, 16 images of 8 pairs take 8 seconds."""
    ticks = iter(range(10_000))
    monkeypatch.setattr(tool.time, 'process_time', lambda: float(next(ticks)))
    stamps = tool.in_process(tool.BarePairs(folder, 32))
    assert tool.images_per_second(stamps, 4) == 2.0


def test_ratio_is_the_median_of_rounds(tool):
    speeds = {tool.BARE: [10.0, 20.0, 40.0], tool.OURS: [9.0, 30.0, 40.0]}
    assert tool.ratio(speeds, tool.OURS) == 1.0


def test_main(tool, monkeypatch, capsys):
    monkeypatch.setattr(tool, 'SIZES', ((64, 48),))
    monkeypatch.setattr(tool, 'FORMATS', ('jpg',))
    threads = torch.get_num_threads()
    main(['--images', '2', '--rounds', '1', '--batches', '1', '--patch', '32'])
    torch.set_num_threads(threads)
    out = capsys.readouterr().out
    assert 'JPG 64x48' in out and 'ratio' in out and 'Data source' not in out


def test_a_process_that_ends_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(loading_many, '_measure', print)
    with pytest.raises(ChildProcessError, match='packed ended with code 9'):
        loading_many._in_own_process(EndsItsReader(), {'packed': 'x'})


def test_patches_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match='--patch 400'):
        main(['--patch', '400'])
