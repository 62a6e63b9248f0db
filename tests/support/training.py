"""Trainings in this process, beside those in several."""

from irbox.config.load_config import load_config
from irbox.engine.train import find_checkpoint, train


def train_here(config, folder, resume=None, **options):
    """Train a config with other values, in a folder; fails where the training does."""
    read = load_config(config, options | {'work_dir': str(folder)})
    assert train(read, None, find_checkpoint(read, resume)) == 0
