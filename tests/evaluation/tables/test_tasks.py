"""The mean over tasks."""

import math

import pytest

from irbox.evaluation.tables import mean_of_tasks


def test_equal_images_hide_no_other_task():
    columns = {
        'psnr': {'clean': math.inf, 'rain': 30.0, 'haze': 20.0},
        'input_psnr': {'clean': math.inf, 'rain': 24.0, 'haze': 16.0},
        'ssim': {'clean': 1.0, 'rain': 0.9, 'haze': 0.5},
    }
    assert mean_of_tasks(columns, 'psnr') == 25
    assert mean_of_tasks(columns, 'input_psnr') == 20
    assert mean_of_tasks(columns, 'ssim') == pytest.approx(0.8)
    columns['psnr']['clean'] = 50.0  # a clean image that the network changed
    assert mean_of_tasks(columns, 'psnr') == 25, 'of the tasks that the other mean is of'
    assert mean_of_tasks({'psnr': {'clean': math.inf}}, 'psnr') == math.inf
