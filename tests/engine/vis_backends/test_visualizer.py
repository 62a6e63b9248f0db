"""The visualizer is mmengine's, without the wait for matplotlib where nothing is drawn."""

import subprocess
import sys

import numpy as np
from mmengine.visualization import Visualizer as MMEngineVisualizer

from irbox.engine.vis_backends import Visualizer
from irbox.registry import VISUALIZERS


def test_no_figure_before_there_is_something_to_draw_on():
    told = (
        'import sys; from irbox.engine.vis_backends import Visualizer; '
        "Visualizer('one').add_scalar('loss', 1.0); assert 'matplotlib' not in sys.modules"
    )
    done = subprocess.run([sys.executable, '-c', told], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_draws_as_mmengine_does():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    drawn = []
    for kind in (Visualizer, MMEngineVisualizer):
        visualizer = kind(image=image)
        visualizer.draw_bboxes(np.array([4, 5, 20, 12]), edge_colors='r')
        drawn.append(visualizer.get_image())
    assert not np.array_equal(drawn[0], image)
    np.testing.assert_array_equal(*drawn)


def test_stands_in_for_it_in_configs():
    assert VISUALIZERS.get('Visualizer') is Visualizer
