import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from irbox.data_check import check_data


@pytest.fixture
def save(tmp_path):
    """Writes an image; what is in it follows from its path."""

    def write(name, width=40, height=30, mode='RGB'):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(list(name.encode()))
        shape = (height, width, 3) if mode == 'RGB' else (height, width)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).convert(mode).save(path)
        return path

    return write


@pytest.fixture
def pairs(save):
    """Writes pairs of equal names."""

    def write(folder, names, **options):
        for name in names:
            save(f'{folder}/input/{name}', **options)
            save(f'{folder}/target/{name}', **options)

    return write


@pytest.fixture
def check(tmp_path):
    """Checks a training set and test sets, each given by its source."""

    def run(train=None, tests=None, deep=False, **options):
        def dataset(sources, **more):
            kind = {'type': 'PairedImageDataset', 'data_root': str(tmp_path)}
            return {'dataset': kind | {'sources': sources} | more}

        content = {}
        if train is not None:
            content['train_dataloader'] = dataset(train, **options)
        if tests is not None:
            content['val_dataloader'] = {k: dataset({k: v}) for k, v in tests.items()}
        return check_data(Config(content), deep)

    return run
