"""What a person says of the degradation, in the place of what the prior believes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from irbox.registry import suggest
from irbox.structures import Context

SAME = (
    {'rain', 'rainy', 'derain', 'deraining'},
    {'haze', 'hazy', 'fog', 'foggy', 'dehaze', 'dehazing'},
    {'snow', 'snowy', 'desnow', 'desnowing'},
    {'noise', 'noisy', 'denoise', 'denoising'},
    {'blur', 'blurry', 'motion-blurry', 'motion-blur', 'deblur', 'deblurring'},
    {'low-light', 'low-light-enhancement', 'dark'},
    {'shadow', 'shadowed', 'deshadowing'},
    {'raindrop', 'raindrops', 'raindrop-removal'},
    {'jpeg', 'jpeg-compressed', 'compressed'},
)
"""Words for one degradation: data sets say the noun, DA-CLIP's vocabulary the adjective."""


def degradation_names(network: nn.Module, losses: Mapping[str, Any] | None = None) -> list[str]:
    """Find the names of what a network's prior tells apart, in the order of its probabilities.

    The prior's own ``labels``; for a prior that is learned without any, those of the loss that
    taught it; else numbers. Empty where there is no prior.

    Args:
        network: With or without a place ``prior``.
        losses: Of the config that it was trained with: name -> config of a loss.
    """
    declared: Any = getattr(network, 'places', dict)
    prior: Any = declared().get('prior')
    count = getattr(prior, 'num_degradations', 0)
    taught = [(loss or {}).get('names') for loss in (losses or {}).values()]
    for names in (getattr(prior, 'labels', None), *taught):
        if names and len(names) == count:
            return [str(name) for name in names]
    return [f'degradation {number + 1}' for number in range(count)]


class Steering:
    """Says what the probabilities of the degradations are to be.

    Args:
        names: As ``degradation_names`` gives them.
        degradations: Name -> weight; what is not named weighs nothing. The weights are divided by
            their sum.
        task: One name or several: the same as equal weights.
        not_: One name or several that the prior shall not believe in; the others keep their
            proportions.

    Raises:
        ValueError: The model has no prior, a name is unknown, a weight is no number of 0 or more,
            all are zero, or two ways are combined.

    Example:
        >>> steering = Steering(['rain', 'haze', 'snow'], {'rain': 3, 'haze': 1})
        >>> steering.weights
        [3.0, 1.0, 0.0]
    """

    def __init__(
        self,
        names: Sequence[str],
        degradations: Mapping[str, float] | None = None,
        task: str | Sequence[str] | None = None,
        not_: str | Sequence[str] | None = None,
    ) -> None:
        given = [value for value in (degradations, task, not_) if value]
        if len(given) != 1:
            raise ValueError('Give one of degradations, task and not_.')
        if not names:
            raise ValueError(
                'This model has no prior: it cannot be told what degraded a picture. Leave out '
                'degradations, task and not_.'
            )
        self.names = list(names)
        self.weights = [0.0] * len(names)
        self.excluded: list[int] = []
        if degradations:
            for name, weight in degradations.items():
                if isinstance(weight, bool) or not isinstance(weight, (int, float)) or weight < 0:
                    raise ValueError(f'degradations: {name}={weight!r} must be a number from 0 up.')
                self.weights[self._find(name)] += float(weight)
            if not 0 < sum(self.weights) < float('inf'):
                raise ValueError('degradations: one weight at least must be above 0, all finite.')
        for name in _listed(task):
            self.weights[self._find(name)] = 1.0
        self.excluded = sorted({self._find(name) for name in _listed(not_)})
        if len(self.excluded) == len(names):
            raise ValueError('not_ names every degradation that the model knows. Leave one.')

    def apply(self, context: Context) -> Context:
        """Give a context with the probabilities replaced; the embeddings stay what they were.

        Raises:
            ValueError: The prior gives similarities that are no probabilities.
        """
        prior = context.prior
        if prior is None:
            raise ValueError('This model has no prior to replace the belief of.')
        believed = prior.probabilities
        if (believed < 0).any() or (believed.sum(1) - 1).abs().max() > 0.01:
            raise ValueError(
                "This model's prior gives similarities that do not sum to 1 "
                '(`similarity` in its config): they cannot be replaced by weights.'
            )
        return replace(context, prior=replace(prior, probabilities=self._replaced(believed)))

    def _replaced(self, believed: Tensor) -> Tensor:
        if not self.excluded:
            weights = believed.new_tensor(self.weights)
            return (weights / weights.sum()).expand_as(believed)
        kept = torch.ones_like(believed)
        kept[:, self.excluded] = 0
        # Where nothing else was believed in, the others are equally likely.
        rest = believed * kept + 1e-12 * kept
        return rest / rest.sum(1, keepdim=True)

    def _find(self, name: str) -> int:
        wanted = _plain(name)
        known = [_plain(one) for one in self.names]
        if wanted in known:
            return known.index(wanted)
        same = next((words for words in SAME if wanted in words), set())
        near = [number for number, one in enumerate(known) if one in same]
        if len(near) == 1:
            return near[0]
        raise ValueError(
            f'The model knows no degradation {name!r}. {suggest(str(name), self.names)}'
        )


def _plain(name: str) -> str:
    return str(name).strip().lower().replace('_', '-').replace(' ', '-')


def _listed(names: str | Sequence[str] | None) -> list[str]:
    return [names] if isinstance(names, str) else list(names or ())
