"""The Fréchet distance of two sets of features."""

from __future__ import annotations

import torch
from torch import Tensor


def frechet_distance(features: Tensor, reference: Tensor) -> float:
    """Compute the distance of Gaussians fitted to two sets, FID: |m1 - m2|^2 + tr(S1 + S2 - 2 R).

    R is (S1 S2)^(1/2). Means and covariances (divided by n - 1) are of the rows. The root's trace
    is computed without a root: with centred features X and Y, S1 S2 has the eigenvalues of
    (X Y^T)(X Y^T)^T / ((n1 - 1) (n2 - 1)), so it is the sum of the singular values of X Y^T. That
    is exact also for few images, where the covariances are singular and a matrix root fails.

    Args:
        features: (N1, F).
        reference: (N2, F).

    Raises:
        ValueError: The shapes do not fit, or a set has fewer than two rows.
    """
    if features.ndim != 2 or reference.ndim != 2 or features.shape[1] != reference.shape[1]:
        raise ValueError(
            f'Features must be (N, F) with one F, got {tuple(features.shape)} and '
            f'{tuple(reference.shape)}.'
        )
    if min(len(features), len(reference)) < 2:
        raise ValueError('The Fréchet distance needs at least two images in each set.')
    first, second = features.double(), reference.double()
    distance = (first.mean(0) - second.mean(0)).square().sum()
    x, y = _root(first), _root(second)
    distance = distance + x.square().sum() + y.square().sum()
    return float(distance - 2 * torch.linalg.svdvals(x @ y.T).sum())


def _root(features: Tensor) -> Tensor:
    """Compute R with R^T R = the covariance, with no more rows than columns."""
    centred: Tensor = (features - features.mean(0)) / (len(features) - 1) ** 0.5
    if len(centred) <= centred.shape[1]:
        return centred
    root: Tensor = torch.linalg.qr(centred, mode='r').R
    return root
