"""From a config to everything that a training or test needs, built and checked before it starts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.dist import get_world_size, sync_random_seed
from mmengine.evaluator import Evaluator
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import HOOKS, METRICS, MODELS, PARAM_SCHEDULERS
from mmengine.runner import Runner, set_random_seed
from torch import nn
from torch.utils.data import DataLoader

from irbox.engine.check_values import arguments_of
from irbox.engine.runner import RestorationRunner
from irbox.engine.schedule import to_iterations
from irbox.evaluation import RestorationMetric
from irbox.registry import DATASETS, find_part

DEFAULT_WORK_DIRS = Path('work_dirs')
LOOP_DEFAULTS = {'val_cfg': 'MultiValLoop', 'test_cfg': 'MultiTestLoop'}


@dataclass
class Prepared:
    """What a config describes, built on the device that it will run on."""

    config: Config
    model: nn.Module
    loaders: dict[str, Any]
    """``train_dataloader`` and so on: a loader, or a mapping from names of sets to loaders."""
    evaluators: dict[str, Evaluator]
    hooks: list[Hook] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was filled in or converted, for the log."""

    def runner(self, **options: Any) -> RestorationRunner:
        """The Runner of all this; it writes into the work dir from here on."""
        config = self.config
        names = ('train_cfg', 'val_cfg', 'test_cfg', 'optim_wrapper', 'param_scheduler')
        runner = RestorationRunner(
            model=self.model,
            work_dir=config.work_dir,
            **{name: copy.deepcopy(config.get(name)) for name in names},
            **self.loaders,
            **self.evaluators,
            default_hooks=copy.deepcopy(config.default_hooks),
            custom_hooks=self.hooks,
            auto_scale_lr=config.get('auto_scale_lr'),
            launcher=config.launcher,
            env_cfg=config.env_cfg,
            log_processor=config.log_processor,
            log_level=config.get('log_level', 'INFO'),
            visualizer=config.visualizer,
            default_scope='irbox',
            randomness=config.randomness,
            experiment_name=config.get('experiment_name'),
            # Formatting it as Python, for the visualizers, would take seconds.
            cfg=Config(config.to_dict(), filename=config.filename, format_python_code=False),
            **options,
        )
        for note in self.notes:
            runner.logger.info(note)
        return runner


def prepare_training(config: Config, seed: int | None = None) -> Prepared:
    """Build what a training needs; nothing is written.

    Args:
        config: As ``load_config`` gives it; changed in place to what will be used.
        seed: In place of ``randomness.seed``.

    Raises:
        ValueError, FileNotFoundError, ImportError: Something cannot be built; the message begins
            with its place in the config.
    """
    for key in ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'):
        if config.get(key) is None:
            raise ValueError(f'The config has no `{key}`, which training needs.')
    _fill_in(config, seed)
    loaders: dict[str, Any] = {
        'train_dataloader': _build_loader(config, 'train_dataloader', training=True)
    }
    evaluators = {}
    if config.get('val_dataloader') is None:
        config.val_cfg = config.val_evaluator = None
    else:
        loaders['val_dataloader'] = _build_loaders(config, 'val_dataloader')
        evaluators['val_evaluator'] = _build_evaluator(config, 'val_evaluator')
        config.val_cfg = ConfigDict(
            {'type': LOOP_DEFAULTS['val_cfg']} | (config.get('val_cfg') or {})
        )
    config.test_cfg = None
    samples = len(loaders['train_dataloader'].dataset)
    notes = to_iterations(config, samples, get_world_size())
    config.train_cfg = ConfigDict({'type': 'IterationTrainLoop'} | config.train_cfg)
    config.optim_wrapper = _with_precision(config)
    if config.get('ema'):
        hook = ConfigDict({'type': 'EMAHook'} | config.ema)
        config.custom_hooks = [*(config.get('custom_hooks') or []), hook]
    model = build_model(config)
    prepared = Prepared(config, model, loaders, evaluators, notes=notes)
    try_optimiser(prepared)
    with _naming('default_hooks'):
        for hook in config.default_hooks.values():
            _build_hook(hook)
    with _naming('custom_hooks'):
        prepared.hooks = [
            built for hook in config.get('custom_hooks') or [] if (built := _build_hook(hook))
        ]
    return prepared


def prepare_test(config: Config, protocol: str | None = None) -> Prepared:
    """Build what a test needs; nothing is written.

    A config without ``test_dataloader`` is tested on its validation sets.

    Args:
        config: As ``load_config`` gives it; changed in place to what will be used.
        protocol: In place of the protocol of the config's ``RestorationMetric``.

    Raises:
        ValueError, FileNotFoundError, ImportError: See ``prepare_training``.
    """
    for test, val in (('test_dataloader', 'val_dataloader'), ('test_evaluator', 'val_evaluator')):
        if config.get(test) is None:
            config[test] = copy.deepcopy(config.get(val))
    for key in ('model', 'test_dataloader'):
        if config.get(key) is None:
            raise ValueError(f'The config has no `{key}`, which testing needs.')
    for key in ('train_cfg', 'optim_wrapper', 'param_scheduler', 'val_cfg', 'custom_hooks'):
        config[key] = None
    _fill_in(config, None)
    config.default_hooks = ConfigDict(
        checkpoint=None, param_scheduler=None, progress=config.default_hooks.get('progress')
    )
    if config.default_hooks.progress is None:
        config.default_hooks.pop('progress')
    config.test_cfg = ConfigDict(
        {'type': LOOP_DEFAULTS['test_cfg']} | (config.get('test_cfg') or {})
    )
    if config.get('test_evaluator') is None:
        config.test_evaluator = ConfigDict(type='RestorationMetric')
    if protocol is not None:
        _set_protocol(config, protocol)
    loaders = {'test_dataloader': _build_loaders(config, 'test_dataloader')}
    evaluators = {'test_evaluator': _build_evaluator(config, 'test_evaluator')}
    return Prepared(config, build_model(config), loaders, evaluators)


def work_dir_of(config: Config) -> Path:
    """Where a run writes: what the config says, or a folder named for it."""
    name = Path(config.filename).stem if config.filename else 'run'
    return Path(config.get('work_dir') or DEFAULT_WORK_DIRS / name).expanduser()


def build_model(config: Config) -> nn.Module:
    """The config's model, its weights drawn from the seed, on the device that it will run on."""
    set_random_seed(config.randomness.seed)
    with _naming('model', (ValueError, ImportError, OSError)):
        return MODELS.build(copy.deepcopy(config.model)).to(get_device())


def try_optimiser(prepared: Prepared) -> OptimWrapper:
    """Build the optimiser and its schedulers as the Runner will, to see whether they can be."""
    config = prepared.config
    with _naming('optim_wrapper'):
        wrapper = build_optim_wrapper(prepared.model, copy.deepcopy(config.optim_wrapper))
    schedulers = config.get('param_scheduler') or []
    for index, scheduler in enumerate(schedulers if isinstance(schedulers, list) else [schedulers]):
        with _naming(f'param_scheduler.{index}'):
            given = {'end': config.train_cfg.max_iters} | copy.deepcopy(scheduler)
            PARAM_SCHEDULERS.build(given, default_args={'optimizer': wrapper, 'epoch_length': 1})
    return wrapper


def _fill_in(config: Config, seed: int | None) -> None:
    """Give every section that the Runner reads a value."""
    randomness = ConfigDict(config.get('randomness') or {})
    if seed is not None:
        randomness.seed = seed
    if randomness.get('seed') is None:
        randomness.seed = sync_random_seed()
    if isinstance(randomness.seed, bool) or not isinstance(randomness.seed, int):
        raise ValueError(f'randomness.seed: {randomness.seed!r} must be a whole number.')
    config.randomness = randomness
    config.work_dir = str(work_dir_of(config))
    config.launcher = config.get('launcher') or 'none'
    config.env_cfg = ConfigDict(
        {'mp_cfg': {'mp_start_method': 'fork', 'opencv_num_threads': 0}}
        | (config.get('env_cfg') or {})
    )
    config.log_processor = ConfigDict({'by_epoch': False} | (config.get('log_processor') or {}))
    backends = ['LocalVisBackend']
    if find_spec('tensorboard') is not None:
        backends.append('TensorboardVisBackend')
    config.visualizer = ConfigDict(
        config.get('visualizer') or {'vis_backends': [{'type': name} for name in backends]}
    )
    config.visualizer.setdefault('type', 'Visualizer')
    defaults = {
        'logger': {'type': 'LoggerHook', 'interval': 50, 'log_metric_by_epoch': False},
        'checkpoint': {'type': 'CheckpointHook'},
        'progress': {'type': 'ProgressHook'},
        'final_weights': {'type': 'FinalWeightsHook'},
    }
    given = config.get('default_hooks') or {}
    hooks = {name: given.get(name, hook) for name, hook in defaults.items()} | given
    # mmengine knows its own hooks by name and lets only those be switched off.
    own = ('progress', 'final_weights')
    config.default_hooks = ConfigDict(
        {name: hook for name, hook in hooks.items() if hook is not None or name not in own}
    )


def _with_precision(config: Config) -> ConfigDict:
    """The optimiser wrapper for the precision that ``amp`` asks for."""
    wrapper = ConfigDict({'type': 'OptimWrapper'} | config.optim_wrapper)
    amp = 'bf16' if config.get('amp') is True else config.get('amp')
    if not amp:
        return wrapper
    if wrapper.type != 'OptimWrapper':
        raise ValueError(
            f'amp={amp} chooses the optimiser wrapper and cannot be combined with '
            f'optim_wrapper.type={wrapper.type}. Remove one of them.'
        )
    if amp == 'fp16':
        if not torch.cuda.is_available():
            raise ValueError('amp=fp16 needs a CUDA GPU. Use amp=bf16, which CPUs can do as well.')
        return ConfigDict(wrapper | {'type': 'AmpOptimWrapper', 'dtype': 'float16'})
    return ConfigDict(wrapper | {'type': 'AutocastOptimWrapper'})


def _build_loader(config: Config, path: str, training: bool = False) -> DataLoader:
    """A data loader, with our defaults for what mmengine wants spelt out."""
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
    loader.setdefault('persistent_workers', loader['num_workers'] > 0)
    if training:
        _share_seed(section.dataset, config.randomness.seed)
        loader['dataset'] = copy.deepcopy(section.dataset)
    with _naming(path):
        built = Runner.build_dataloader(loader, seed=config.randomness.seed)
    if len(built.dataset) == 0:
        raise ValueError(f'{path}.dataset holds no samples.')
    return built


def _share_seed(dataset: ConfigDict, seed: int) -> None:
    """Let a training set with a `seed` of its own follow the run's, unless the config sets one."""
    if 'seed' in arguments_of(find_part(dataset.type, DATASETS))[0]:
        dataset.setdefault('seed', seed)


def _build_loaders(config: Config, path: str) -> DataLoader | dict[str, DataLoader]:
    section = config[path]
    if 'dataset' in section:
        return _build_loader(config, path)
    return {
        name: _build_loader(config, f'{path}.{name}')
        for name, loader in section.items()
        if loader is not None
    }


def _build_evaluator(config: Config, path: str) -> Evaluator:
    given = config.get(path) or {'type': 'RestorationMetric'}
    config[path] = given
    metrics = given.get('metrics', given) if isinstance(given, Mapping) else given
    with _naming(path):
        built = [
            METRICS.build(copy.deepcopy(metric))
            for metric in (metrics if isinstance(metrics, (list, tuple)) else [metrics])
        ]
    return Evaluator(built)


def _set_protocol(config: Config, protocol: str) -> None:
    evaluator = config.test_evaluator
    metrics = evaluator.get('metrics', evaluator) if isinstance(evaluator, Mapping) else evaluator
    found = False
    for metric in metrics if isinstance(metrics, (list, tuple)) else [metrics]:
        if metric.type == RestorationMetric.__name__:
            metric.protocol, found = protocol, True
    if not found:
        raise ValueError(f'--protocol {protocol}: test_evaluator has no RestorationMetric to set.')


def _build_hook(hook: Mapping[str, Any] | None) -> Hook | None:
    if hook is None:
        return None
    given = dict(copy.deepcopy(hook))
    priority = given.pop('priority', None)
    built = HOOKS.build(given)
    if priority is not None:
        built.priority = priority
    return built


@contextmanager
def _naming(
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
    """Say which part of the config could not be built: its values are what the builder got."""
    try:
        yield
    except kinds as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
        message = f'{path}: {text or type(error).__name__}'
        if isinstance(error, (FileNotFoundError, ImportError)):
            kind: Callable[..., Exception] = type(error)
            raise kind(message) from error
        raise ValueError(message) from error
