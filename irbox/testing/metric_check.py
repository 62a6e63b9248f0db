"""What metrics must keep, in one call: for our tests and for plug-ins."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from irbox.evaluation import ImageMetric, ScoreInfo
from irbox.registry import METRICS
from irbox.testing.calling import BrokenPromiseError, answer, require

# pytest shows the author's own line, not ours.
__tracebackhide__ = True

SIZES = ((48, 64), (37, 45))
HINT = 'It is given float32 images (B, 3, H, W) in 0 to 1, of any size; refuse others by ValueError'

Values = dict[str, Tensor]


def check_metric(
    metric: Callable[..., ImageMetric], *, compares: bool = True, **options: Any
) -> None:
    """Check that a metric keeps its contract, see ``ImageMetric``.

    It is registered and declares its scores. ``score`` gives a value for each image, at even and
    odd sizes: finite, the same again, the same alone and in a batch, and leaves the images as they
    are. Constant and equal images give no NaN, and equal ones are no worse than noisy ones. What is
    reported has the labels of the images and the declared scores, whatever batches they came in,
    and each evaluation starts anew.

    Args:
        metric: The class.
        compares: Whether it compares with the clean image: false for a metric that judges the
            restored image by itself, where noise may be better than nothing.
        **options: The metric's own options.

    Raises:
        AssertionError: A promise is broken.
    """
    built = _build(metric, options)
    name = type(built).__name__
    for height, width in SIZES:
        restored, target = _images(height, width)
        scores = _score(built, name, restored, target, f'on images of {height}x{width}')
        for key, value in scores.items():
            require(bool(value.isfinite().all()), name, f'gives {key} that are not finite: {value}')
        again = _score(built, name, restored, target, 'when called twice')
        _same(name, scores, again, 'gives two answers for the same images')
        for index in range(len(restored)):
            alone = _score(
                built, name, restored[index, None], target[index, None], 'on a single image'
            )
            in_batch = {key: value[index, None] for key, value in scores.items()}
            _same(
                name,
                in_batch,
                alone,
                'gives an image another answer alone than in a batch. Average over all dimensions '
                'but the first, as in .mean((1, 2, 3))',
            )
    _check_plain_images(built, name)
    first = _report(built, name, [[0, 1, 2], [3]])
    _check_worse_than_equal(built, name, first, compares)
    second = _report(built, name, [[0], [1, 2], [3]])
    kept = 'reports something else when the same images come in other batches, or a second time'
    for key, reported in first.items():
        require(math.isclose(reported, second[key], rel_tol=1e-5, abs_tol=1e-6), name, kept)


def _build(metric: Any, options: Mapping[str, Any]) -> ImageMetric:
    """Build the metric, and see what it declares."""
    if not inspect.isclass(metric):
        raise BrokenPromiseError(
            f'check_metric takes a class, got an instance of {type(metric).__name__}. Options '
            'follow it.'
        )
    name = metric.__name__
    require(
        issubclass(metric, ImageMetric),
        name,
        'is no ImageMetric (irbox.evaluation): its scores would be in no table',
    )
    require(
        metric in METRICS.module_dict.values(),
        name,
        'is not registered. Put @METRICS.register_module() above the class',
    )
    built = answer(
        name,
        partial(cast(type[ImageMetric], metric), **options),
        'when it is built',
        'A config gives its options: give what has no default here, too',
    )
    require(hasattr(built, 'results'), name, 'does not call super().__init__() in its own __init__')
    require(
        bool(built.scores) and all(isinstance(info, ScoreInfo) for info in built.scores.values()),
        name,
        "declares no scores. Write scores = {'name': ScoreInfo(digits=4, higher_is_better=False)}",
    )
    for key in built.scores:
        plain = key.partition('@')[0]
        require(
            plain.isidentifier() and not plain.startswith('input_'),
            name,
            f'declares a score {key!r}. Use letters, digits and underscores; input_ is put in '
            'front by the program',
        )
    require(
        isinstance(built.input_multiple, int) and built.input_multiple >= 1,
        name,
        f'has input_multiple={built.input_multiple!r}, which must be a whole number of at least 1',
    )
    return built


def _images(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Draw three noisy images and the clean ones."""
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(3, 3, height, width, generator=generator)
    noise = torch.rand(target.shape, generator=generator) - 0.5
    strength = torch.tensor([0.1, 0.4, 0.8]).view(3, 1, 1, 1)
    return (target + strength * noise).clamp(0, 1), target


def _score(metric: ImageMetric, name: str, restored: Tensor, target: Tensor, where: str) -> Values:
    """Score images, and see whether the answer has the right form."""
    given = restored.clone(), target.clone()
    with torch.no_grad():
        found = answer(name, lambda: metric.score(*given), where, HINT)
    kept = torch.equal(given[0], restored) and torch.equal(given[1], target)
    require(kept, name, 'changes the images that it is given. Work on copies')
    require(
        isinstance(found, dict) and bool(found),
        name,
        f'gives {type(found).__name__} from score, not a dict of tensors by the name of the score',
    )
    for key, value in found.items():
        shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        require(
            isinstance(value, Tensor) and value.ndim > 0 and len(value) == len(restored),
            name,
            f'gives {shape} as {key} of {len(restored)} images. One value for each image is '
            f'needed, ({len(restored)},), as from .mean((1, 2, 3))',
        )
        own = type(metric).aggregate is not ImageMetric.aggregate
        require(
            own or value.ndim == 1,
            name,
            f'gives {shape} as {key}. A score is one number for each image, (B,), unless the '
            'metric has an aggregate of its own',
        )
    return found


def _same(name: str, found: Values, other: Values, text: str) -> None:
    for key, value in found.items():
        equal = key in other and torch.allclose(
            value.double(), other[key].double(), rtol=1e-4, atol=1e-5, equal_nan=True
        )
        require(equal, name, text)


def _check_plain_images(metric: ImageMetric, name: str) -> None:
    """See that black, white and equal images are no special case."""
    black = torch.zeros(2, 3, 37, 45)
    _, clean = _images(37, 45)
    for what, restored, target in (
        ('black images and white ones', black, black + 1),
        ('black images, restored without an error', black, black),
        ('equal images', clean, clean),
    ):
        for key, value in _score(metric, name, restored, target, f'on {what}').items():
            require(
                not bool(value.isnan().any()),
                name,
                f'gives NaN as {key} of {what}. Add a small constant to what it divides by',
            )


def _check_worse_than_equal(
    metric: ImageMetric, name: str, noisy: Mapping[str, float], compares: bool
) -> None:
    """See that the declared direction is the true one."""
    if not compares:
        return
    equal = _report(metric, name, [[0, 1, 2, 3]], perfect=True)
    for key, value in noisy.items():
        higher = metric.scores[key.rpartition('/')[2].removeprefix('input_')].higher_is_better
        if higher is None:
            continue
        better = equal[key] - value if higher else value - equal[key]
        require(
            better > -1e-6,
            name,
            f'calls noisy images better than equal ones: {key} is {value:.4g} and '
            f'{equal[key]:.4g}, and higher_is_better={higher} is declared',
        )


def _report(
    metric: ImageMetric, name: str, batches: list[list[int]], perfect: bool = False
) -> dict[str, float]:
    """Evaluate four images of two labels in batches, as a test does."""
    restored, target = _images(48, 64)
    labels = ['rain', 'haze', 'rain', 'haze']
    samples = [
        {
            'image': (restored[i % 3] + 0.1).clamp(0, 1) if not perfect else target[i % 3],
            'target': target[i % 3],
            'restored': target[i % 3] if perfect else restored[i % 3],
            'unclipped': target[i % 3] if perfect else restored[i % 3],
            'label': label,
            'name': f'image_{i}',
        }
        for i, label in enumerate(labels)
    ]

    def evaluate() -> dict[str, float]:
        for batch in batches:
            metric.process({}, [samples[i] for i in batch])
        scores: dict[str, float] = metric.evaluate(len(samples))
        return scores

    reported = answer(name, evaluate, 'when it is evaluated', HINT)
    prefixes = ('input_', '') if metric.judges_input else ('',)
    wanted = [
        f'{label}/{p}{s}' for label in ('rain', 'haze') for p in prefixes for s in metric.scores
    ]
    require(
        list(reported) == wanted,
        name,
        f'reports {", ".join(reported)}; {", ".join(wanted)} are needed: the declared scores for '
        'each label',
    )
    for key, value in reported.items():
        require(
            isinstance(value, int | float) and not math.isnan(value),
            name,
            f'reports {key} as {value!r}, which is no number',
        )
    return reported
