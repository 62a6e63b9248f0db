"""Where a run shows itself: what differs from mmengine's parts."""

from irbox.engine.vis_backends.mlflow_vis_backend import MLflowVisBackend
from irbox.engine.vis_backends.visualizer import Visualizer

__all__ = ['MLflowVisBackend', 'Visualizer']
