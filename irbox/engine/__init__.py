"""Driving networks: configs, plug-ins, training and testing.

Light on purpose: the pieces that mmengine's Runner is built from are in ``hooks``, ``loops`` and
``optim``, and are imported on the first build.
"""

from irbox.engine.plugins import load_plugins

__all__ = ['load_plugins']
