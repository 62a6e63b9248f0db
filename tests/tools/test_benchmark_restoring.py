"""The measurements of restoring: that they measure, and print what they measured."""

import numpy as np
import pytest

from irbox.commands import restoring_memory, restoring_seams, restoring_speed
from irbox.commands import tool as tool_of
from irbox.commands.benchmark_restoring import open_model
from irbox.commands.main import command_parser
from irbox.networks.restore_tiled import make_grid
from support.tiny_model import tiny_model

main = tool_of('benchmark-restoring')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return str(tiny_model().save(tmp_path_factory.mktemp('model') / 'tiny'))


def test_a_step_at_an_edge_is_found():
    grid = make_grid((40, 40), (24, 40), 8, 8)
    assert [tuple(span) for span in grid.rows] == [(0, 24), (16, 40)]
    whole = np.random.default_rng(0).random((40, 40, 3)) * 0.5
    tiled = whole.copy()
    tiled[24:] += 10 / 255
    found = restoring_seams.measure(tiled, whole, grid)
    assert found.step == pytest.approx(10)
    assert found.mean_step == pytest.approx(10)
    assert found.elsewhere == pytest.approx(0, abs=1e-9)
    assert found.psnr == pytest.approx(20 * np.log10(255 / 10) - 10 * np.log10(16 / 40))


def test_a_step_that_the_picture_has_is_none():
    grid = make_grid((40, 40), (24, 24), 8, 8)
    whole = np.zeros((40, 40, 3))
    whole[24:] = 1
    assert restoring_seams.measure(whole, whole, grid) == (float('inf'), 0, 0, 0)


def test_a_step_inside_a_tile_is_no_seam():
    grid = make_grid((40, 40), (24, 40), 8, 8)
    whole = np.zeros((40, 40, 3))
    tiled = whole.copy()
    tiled[5, 7] = 20 / 255
    found = restoring_seams.measure(tiled, whole, grid)
    assert (found.step, found.mean_step) == (0, 0)
    assert found.elsewhere == pytest.approx(20)


def test_seams_are_measured_and_drawn(folder, tmp_path, capsys):
    path = tmp_path / 'seams.jpg'
    main(['seams', folder, '--side', '96', '--tile', '64', '--figure', str(path)])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| ')]
    assert len(rows) == 1 + 3 * 2
    assert restoring_seams.Image.open(path).size == (3 * 96 + 2 * 4, 2 * 96)


def test_a_figure_is_of_the_kind_that_its_name_says(folder, tmp_path):
    path = tmp_path / 'deep' / 'seams.PNG'
    main(['seams', folder, '--side', '64', '--tile', '64', '--figure', str(path)])
    assert restoring_seams.Image.open(path).format == 'PNG'
    with pytest.raises(ValueError, match=r'seams\.gif: the name must end in \.png, \.jpg, \.jpeg'):
        main(['seams', folder, '--figure', 'seams.gif'])


def test_photographs_are_not_padded(folder):
    default = command_parser('benchmark-restoring').parse_args(['seams', folder]).side
    shapes = {picture.shape for picture in restoring_seams.pictures(default).values()}
    assert shapes == {(default, default, 3)}
    with pytest.raises(ValueError, match='--side 301 is more than chelsea has: give at most 300'):
        main(['seams', folder, '--side', '301'])


def test_the_gradient_is_smooth():
    gradient = restoring_seams.pictures(96)['gradient']
    assert gradient.shape == (96, 96, 3)
    assert max(np.abs(np.diff(gradient, axis=axis)).max() for axis in (0, 1)) < 0.01


def test_files_and_loop_do_the_same(tmp_path):
    model = tiny_model()
    jobs = restoring_speed.write_files(tmp_path, 2)
    seen = []
    handle = model.network.register_forward_hook(lambda _, given, answer: seen.append(given[0]))
    restoring_speed.bare_loop(model, restoring_speed.as_tensors(jobs))
    restoring_speed.restore_all(model, jobs)
    handle.remove()
    assert all(job.target.exists() for job in jobs)
    for bare, ours in zip(seen[:2], seen[-2:], strict=True):
        assert bare.shape == (1, 3, 320, 480)
        assert np.array_equal(bare, ours)


def test_speed_is_printed(folder, capsys):
    main(['speed', folder, '--files', '2', '--rounds', '1'])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| ')]
    assert [row.split()[1] for row in rows] == ['seconds', 'wall', 'process', 'main']


def test_a_config_gives_random_weights():
    model = open_model('m2restore_demo')
    assert model.source == 'random weights'
    assert model.tasks == ['haze', 'rain', 'snow', 'noise', 'low_light']


def test_a_model_by_name():
    assert open_model('small').name == 'small'


@pytest.mark.skipif(not restoring_memory.RESET.exists(), reason='needs Linux')
def test_memory_of_a_few_tiles(folder, capsys, monkeypatch):
    monkeypatch.setattr('irbox.restore.choose_tile.CPU_WORK', 80 * 2**20)
    main(['memory', folder, '--megapixels', '2', '--tiles', '2'])
    lines = capsys.readouterr().out.splitlines()
    assert '1732x1155' in lines[0] and '2 of them restored' in lines[0]
    assert len(lines[2].split(':')[1].split(',')) == 2
