import numpy as np

from irbox.analysis import weather
from irbox.degradations.streaks import Streaks


def test_a_figure_of_streaks_and_dark_channels(tmp_path):
    rng = np.random.default_rng(0)
    streaks = Streaks(*(rng.uniform(1, 50, 40) for _ in range(4)))
    weather.draw_figure({'rain': streaks}, {'clean': rng.random((2, 8, 8))}, tmp_path / 'a.png')
    assert (tmp_path / 'a.png').stat().st_size > 5000


def test_the_dark_channel_is_the_least_of_a_window():
    image = np.full((40, 40, 3), 0.8)
    image[20, 20, 1] = 0.1
    dark = weather.darkest(image)
    assert (dark == 0.1).sum() == weather.WINDOW**2 and dark.max() == 0.8


def test_squares_have_the_depth_that_is_known():
    squares = weather.squares()
    assert all(one.image.shape == (256, 256, 3) for one in squares)
    assert [one.depth.shape for one in squares if one.depth is not None] == [(256, 256)]


def test_what_falls_is_measured_alone():
    found = weather.streaks_of(weather.FALLING['SparseRain'])
    assert len(found.lengths) == len(found.areas) > 200
    assert 10 < np.median(found.lengths) < 30 and np.median(found.widths) < 5
