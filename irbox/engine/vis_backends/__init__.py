"""Where a run shows itself: what differs from mmengine's back-ends."""

from irbox.engine.vis_backends.mlflow_vis_backend import MLflowVisBackend

__all__ = ['MLflowVisBackend']
