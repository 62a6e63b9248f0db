"""The colours of a scene: a few numbers fitted to photographs, and freely changed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml

COLORS = Path(__file__).with_name('colors.yaml')


@dataclass(frozen=True)
class Palette:
    """What the surfaces of one scene are coloured from: a mixture of Gaussians in Lab."""

    shares: np.ndarray
    """(K,), the sum is 1."""
    means: np.ndarray
    """(K, 3) Lab, L in 0 to 100."""
    roots: np.ndarray
    """(K, 3, 3) square roots of the covariances; the last column has the largest variance."""

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw colours.

        Returns:
            (count, 3) float32 Lab, clipped to 2 <= L <= 99 and 90 in a and b.
        """
        which = rng.choice(len(self.shares), count, p=self.shares)
        noise = rng.standard_normal((count, 3))
        colors = self.means[which] + np.einsum('nij,nj->ni', self.roots[which], noise)
        answer: np.ndarray = colors.clip((2, -90, -90), (99, 90, 90)).astype(np.float32)
        return answer

    def draw_root(self, rng: np.random.Generator) -> np.ndarray:
        """Give the (3, 3) root of the covariance of one anchor: how a texture of it varies."""
        root: np.ndarray = self.roots[rng.choice(len(self.shares), p=self.shares)]
        return root


@cache
def fitted_colors() -> tuple[Palette, ...]:
    """Read the fitted model: a palette for each photograph that it was fitted to."""
    palettes = []
    for rows in yaml.safe_load(COLORS.read_text(encoding='utf-8')).values():
        shares = np.array([row['share'] for row in rows])
        covariance = np.zeros((len(rows), 3, 3))
        upper = np.triu_indices(3)
        for matrix, row in zip(covariance, rows, strict=True):
            matrix[upper] = row['covariance']
            matrix.T[upper] = row['covariance']
        values, vectors = np.linalg.eigh(covariance)
        roots = vectors * np.sqrt(values.clip(1e-3, None))[:, None, :]
        means = np.array([row['lab'] for row in rows])
        palettes.append(Palette(shares / shares.sum(), means, roots))
    return tuple(palettes)


def draw_palette(rng: np.random.Generator) -> Palette:
    """Draw the palette of a scene.

    Anchors of one or two photographs with other shares; the hues are turned (by a little, mostly),
    colourfulness, lightness and contrast changed. Every sixth palette is free: anchors anywhere.

    Args:
        rng: Where all randomness comes from.
    """
    models = fitted_colors()
    if rng.random() < 1 / 6:
        count = int(rng.integers(4, 10))
        means = np.stack(
            [
                rng.uniform(8, 95, count),
                rng.normal(0, 22, count),
                rng.normal(4, 26, count),
            ],
            axis=1,
        )
        sigma = rng.uniform(1.5, 7, (count, 3)) * (1.5, 0.7, 0.7)
        return Palette(rng.dirichlet(np.ones(count)), means, sigma[:, :, None] * np.eye(3)[:, ::-1])
    chosen = [models[i] for i in rng.choice(len(models), rng.integers(1, 3), replace=False)]
    means = np.concatenate([model.means for model in chosen])
    roots = np.concatenate([model.roots for model in chosen])
    shares = np.concatenate([model.shares for model in chosen]) ** 0.5
    shares = shares * rng.gamma(1.5, size=len(shares))
    turn = rng.uniform(-np.pi, np.pi) if rng.random() < 0.25 else rng.normal(0, 0.25)
    vivid = rng.uniform(0.3, 1.3)
    change = np.eye(3)
    change[1:, 1:] = vivid * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = means[:, :1].mean()
    means = means @ change.T
    means[:, :1] = (middle + rng.uniform(0.8, 1.3) * (means[:, :1] - middle)) + rng.normal(0, 6)
    # Colours of nothing at all, white, grey and black things, are in every picture.
    greys = np.array([[rng.uniform(4, 25), 0, 0], [rng.uniform(75, 97), 0, 2]])
    return Palette(
        np.append(0.88 * shares / shares.sum(), [0.06, 0.06]),
        np.concatenate([means, greys]),
        np.concatenate([change @ roots, np.tile(np.diag([5.0, 1.5, 1.5])[:, ::-1], (2, 1, 1))]),
    )
