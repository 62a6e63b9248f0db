"""Building what a config describes, with messages that say where it does so."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.dist import sync_random_seed
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, METRICS
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from irbox.engine.stop_signals import ShieldedWorker
from irbox.evaluation import ImageMetric, RestorationMetric
from irbox.registry import DATASETS, find_part
from irbox.utils.part_arguments import arguments_of


def settle_seed(config: Config, seed: int | None = None) -> None:
    """Give a run its seed, in place: the given one, the config's, or a random one.

    Raises:
        ValueError: ``randomness.seed`` is no whole number that random generators take, or
            ``randomness.deterministic`` stands beside what is not: mmengine switches that off and
            goes on.
    """
    randomness = ConfigDict(config.get('randomness') or {})
    if randomness.get('deterministic') and (config.get('env_cfg') or {}).get('cudnn_benchmark'):
        raise ValueError(
            'randomness.deterministic: true does not go with env_cfg.cudnn_benchmark: true, which '
            'chooses by the clock how to compute. Remove one of the two.'
        )
    if seed is not None:
        randomness.seed = seed
    if randomness.get('seed') is None:
        randomness.seed = sync_random_seed()
    whole = isinstance(randomness.seed, int) and not isinstance(randomness.seed, bool)
    if not whole or not 0 <= randomness.seed < 2**32:
        raise ValueError(
            f'randomness.seed: {randomness.seed!r} must be a whole number from 0 to 2**32 - 1.'
        )
    config.randomness = randomness


def build_loader(config: Config, path: str, training: bool = False) -> DataLoader[Any]:
    """Build a data loader, with our defaults for what mmengine wants spelt out.

    Args:
        config: With a seed, see ``settle_seed``. A training set that has a seed and is given none
            gets the run's, in place.
        path: Of the loader's section.
        training: Draw for ever, instead of taking each sample once.

    Raises:
        ValueError, FileNotFoundError, ImportError: It cannot be built, or holds no samples.
    """
    section: Any = config
    for key in path.split('.'):
        section = section[key]
    sampler = {'type': 'DrawSampler'} if training else {'type': 'DefaultSampler', 'shuffle': False}
    loader = {
        'batch_size': 1,
        'sampler': sampler,
        'collate_fn': {'type': 'default_collate'},
        'num_workers': 0,
        'pin_memory': torch.cuda.is_available(),
        **copy.deepcopy(dict(section)),
    }
    # A training reads its endless data in one go: there is nothing to keep workers for.
    keep = not training and loader['num_workers'] > 0
    loader['persistent_workers'] = keep and loader.get('persistent_workers', True)
    if training:
        _share_seed(section.dataset, config.randomness.seed)
        loader['dataset'] = copy.deepcopy(section.dataset)
    _check_wrapped(loader['dataset'], f'{path}.dataset')
    with errors_at(path):
        built: DataLoader[Any] = Runner.build_dataloader(loader, seed=config.randomness.seed)
    built.worker_init_fn = ShieldedWorker(built.worker_init_fn)
    if size(built) == 0:
        raise ValueError(f'{path}.dataset holds no samples.')
    return built


def size(loader: DataLoader[Any]) -> int:
    """Count the samples of a loader's data set."""
    return len(loader.dataset)  # type: ignore[arg-type]


def _check_wrapped(dataset: Mapping[str, Any], path: str) -> None:
    """Refuse data sets of ours inside mmengine's wrappers, which ask more of them."""
    outer = find_part(dataset['type'], DATASETS)
    if not outer.__module__.startswith('mmengine.'):
        return
    for given in [dataset.get('dataset'), *dataset.get('datasets', ())]:
        if given is not None and not hasattr(find_part(given['type'], DATASETS), 'full_init'):
            raise ValueError(
                f"{path}: mmengine's {outer.__name__} cannot hold {given['type']}, which is not "
                'made for it. PairedImageDataset mixes its `sources` by itself, with `repeat` or '
                '`weights`.'
            )


def _share_seed(dataset: ConfigDict, seed: int) -> None:
    """Let a training set with a `seed` of its own follow the run's, unless the config sets one."""
    if 'seed' in arguments_of(find_part(dataset.type, DATASETS))[0]:
        dataset.setdefault('seed', seed)


def build_loaders(config: Config, path: str) -> DataLoader[Any] | dict[str, DataLoader[Any]]:
    """Build the loader of a section, or of each set in it; a set that is null is left out."""
    section = config[path]
    if 'dataset' in section:
        return build_loader(config, path)
    return {
        name: build_loader(config, f'{path}.{name}')
        for name, loader in section.items()
        if loader is not None
    }


def loaders_by_place(
    loaders: DataLoader[Any] | Mapping[str, DataLoader[Any]], path: str
) -> dict[str, DataLoader[Any]]:
    """Give what ``build_loaders`` built, by its place: ``val_dataloader.rain`` and so on."""
    if isinstance(loaders, Mapping):
        return {f'{path}.{name}' if name else path: loader for name, loader in loaders.items()}
    return {path: loaders}


def build_evaluator(config: Config, path: str) -> Evaluator:
    """Build the evaluator of a section: PSNR and SSIM where it says nothing."""
    given = config.get(path) or {'type': 'RestorationMetric'}
    config[path] = given
    metrics = given.get('metrics', given) if isinstance(given, Mapping) else given
    with errors_at(path):
        built = [
            METRICS.build(copy.deepcopy(metric))
            for metric in (metrics if isinstance(metrics, (list, tuple)) else [metrics])
        ]
    plain = [one for one in built if isinstance(one, RestorationMetric) and not one.qualify]
    if len(plain) > 1:
        raise ValueError(
            f'{path}: {len(plain)} RestorationMetrics give results of the same names. '
            'Set `qualify: true` in all but one.'
        )
    names = Counter(name for one in built if isinstance(one, ImageMetric) for name in one.scores)
    if twice := [name for name, count in names.items() if count > 1]:
        raise ValueError(
            f'{path}: two metrics have a score called {twice[0]!r}. Rename one in its `scores`.'
        )
    return Evaluator(built)


def build_hook(hook: Mapping[str, Any] | None) -> Hook | None:
    """Build a hook; mmengine's null stands for one that is switched off."""
    if hook is None:
        return None
    given = dict(copy.deepcopy(hook))
    priority = given.pop('priority', None)
    built = HOOKS.build(given)
    if priority is not None:
        built.priority = priority
    return built


@contextmanager
def errors_at(
    path: str,
    kinds: tuple[type[Exception], ...] = (
        ValueError,
        TypeError,
        KeyError,
        AssertionError,
        OSError,
        ImportError,
    ),
) -> Iterator[None]:
    """Say which part of the config could not be built: its values are what the builder got.

    Args:
        path: Its place, put in front of the message.
        kinds: Errors that its values may cause; others are bugs and pass through.
    """
    try:
        yield
    except kinds as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
        message = f'{path}: {text or type(error).__name__}'
        if isinstance(error, (FileNotFoundError, ImportError)):
            kind: Callable[..., Exception] = type(error)
            raise kind(message) from error
        raise ValueError(message) from error
