import numpy as np
import pytest

from irbox.degradations import Snow
from irbox.registry import TRANSFORMS


def black(side=192):
    return np.zeros((side, side, 3), dtype=np.float32)


def changed(size, seed=0, **options):
    return np.mean(Snow(size, **options)(black(), np.random.default_rng(seed)) ** 2)


def test_larger_sizes_hide_more():
    small, medium, large = (np.mean([changed(size, seed) for seed in range(4)]) for size in 'SML')
    assert small < medium < large


def test_amount_multiplies_flakes():
    few, many = (np.mean([changed('L', s, amount=a) for s in range(4)]) for a in (0.3, 1))
    assert few < 0.6 * many
    assert changed('L', amount=0, veil=0) == 0


def test_a_range_of_amounts():
    found = [changed('L', seed, amount=(0, 2), veil=0) for seed in range(40)]
    assert min(found) < 0.3 * changed('L', veil=0)
    assert max(found) > 1.2 * np.mean([changed('L', seed, veil=0) for seed in range(8)])


def test_the_veil_has_the_drawn_opacity():
    """Without flakes, opacity times colour is what a black image becomes."""
    results = [
        Snow(amount=0, veil=0.2)(black(64), np.random.default_rng(seed)) for seed in range(8)
    ]
    assert all(0.2 * 0.88 * 0.98 < result.mean() < 0.2 * 1.01 for result in results)
    grainy = [result.std(axis=(0, 1)).max() > 0.02 for result in results]
    assert 0 < sum(grainy) < 8


def test_flakes_are_nearly_white_and_opaque():
    result = Snow('L')(black(), np.random.default_rng(0))
    red, green, blue = np.moveaxis(result, 2, 0)
    assert result.max() > 0.7
    assert (red <= green + 1e-6).all()
    assert (green <= blue + 1e-6).all()
    assert (blue - red).max() < 0.03


def test_a_flake_hides_what_is_behind_it():
    """``z C + x (1 - z)``: opacity from a black and a white image agree."""
    on_black, on_white = (
        Snow('M')(np.full((64, 64, 3), value, np.float32), np.random.default_rng(3))
        for value in (0.0, 1.0)
    )
    visible = on_white - on_black  # 1 - z
    assert 0 <= visible.min() < 0.4
    np.testing.assert_allclose(visible, visible[..., :1].repeat(3, axis=2), atol=1e-6)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="size: 'XL' is unknown. Did you mean 'L'. Choose 'S'"):
        TRANSFORMS.build({'type': 'Snow', 'size': 'XL'})
    with pytest.raises(ValueError, match='amount: -1 must be a number of at least 0'):
        TRANSFORMS.build({'type': 'Snow', 'amount': -1})
