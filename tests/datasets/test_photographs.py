import numpy as np
import pytest

from irbox.datasets.photographs import RESERVED, TRAINING, photograph


@pytest.mark.parametrize('name', TRAINING + RESERVED)
def test_photographs_are_rgb_and_large_enough(name):
    image = photograph(name).image
    assert image.mode == 'RGB'
    assert min(image.size) >= 300
    assert np.asarray(image).std() > 20


def test_training_and_held_out_differ():
    assert not set(TRAINING) & set(RESERVED)
    thumbnails = [
        np.asarray(photograph(name).image.resize((8, 8)), dtype=float)
        for name in TRAINING + RESERVED
    ]
    for i, first in enumerate(thumbnails):
        for second in thumbnails[:i]:
            assert np.abs(first - second).mean() > 10


def test_depth_has_no_holes_and_near_is_small():
    source = photograph('motorcycle')
    depth = np.asarray(source.depth)
    assert depth.shape == np.asarray(source.image).shape[:2]
    assert depth.dtype == np.float32
    assert np.isfinite(depth).all()
    assert depth.min() == pytest.approx(0, abs=0.05)
    assert depth.max() == pytest.approx(1, abs=0.05)
    assert depth[300:400, 250:450].mean() < depth[:50].mean()  # the motorcycle, the wall behind it


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setattr('irbox.utils.optional.find_spec', lambda name: None)
    with pytest.raises(ImportError, match="photograph 'china' needs .* pip install scikit-learn"):
        photograph.__wrapped__('china')
