"""A degradation with several faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from annotated_types import MinLen

from irbox.degradations.degradation import Degradation
from irbox.registry import TRANSFORMS
from irbox.utils.bounded import PositiveFloat


@TRANSFORMS.register_module()
class OneOf(Degradation):
    """Chooses one of several degradations for each image: fine rain, single streaks, rain in fog.

    What is one word to the prior and to tables (a label) may look in more than one way.

    Args:
        transforms: What to choose from, each a mapping with ``type``.
        weights: How often each is chosen, relative to the others. All the same by default.

    Raises:
        ValueError: There are not as many weights as degradations.
    """

    def __init__(
        self,
        transforms: Annotated[Sequence[Mapping[str, Any]], MinLen(1)],
        weights: Sequence[PositiveFloat] | None = None,
    ) -> None:
        self.choices = [TRANSFORMS.build(one) for one in transforms]
        if weights is not None and len(weights) != len(self.choices):
            raise ValueError(
                f'OneOf: {len(weights)} weights for {len(self.choices)} transforms. Give one each.'
            )
        shares = np.ones(len(self.choices)) if weights is None else np.array(weights, dtype=float)
        self.shares = shares / shares.sum()
        self.margin = max(getattr(one, 'margin', 0) for one in self.choices)

    def apply(
        self, image: np.ndarray, rng: np.random.Generator, depth: np.ndarray | None
    ) -> np.ndarray:
        """Degrade an image, see ``Degradation``."""
        answer: np.ndarray = self.choices[rng.choice(len(self.choices), p=self.shares)](
            image, rng, depth
        )
        return answer
