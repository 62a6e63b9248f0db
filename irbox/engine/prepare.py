"""From a config to everything that a training or test needs, built and checked before it starts."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import torch
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import MODELS, PARAM_SCHEDULERS
from mmengine.runner import set_random_seed
from torch import nn

from irbox.engine.check_files import check_files
from irbox.engine.check_leaks import check_leaks
from irbox.engine.data_notes import data_notes, training_warnings
from irbox.engine.loops.iteration_train_loop import check_sampler
from irbox.engine.memory import check_activations, check_batches, check_memory
from irbox.engine.run_defaults import default_hooks, visualizer
from irbox.engine.runner import RestorationRunner
from irbox.engine.schedule import to_iterations
from irbox.engine.sections import (
    build_evaluator,
    build_hook,
    build_loader,
    build_loaders,
    errors_at,
    settle_seed,
    size,
)
from irbox.engine.wrapping import check_wrapping
from irbox.evaluation import RestorationMetric
from irbox.utils.console import warnings_held

DEFAULT_WORK_DIRS = Path('work_dirs')
LOOPS_OF = {'val': 'MultiValLoop', 'test': 'MultiTestLoop'}

# Runs of one process, told apart: mmengine keeps one logger and one record of scores per name.
_RUNS = itertools.count(1)


@dataclass
class Prepared:
    """What a config describes, built on the device that it will run on."""

    config: Config
    """As it was given, with intervals in iterations and the defaults filled in."""
    model: nn.Module
    sections: dict[str, Any]
    """What else the Runner takes: loaders (``train_dataloader`` and so on), evaluators, loops."""
    hooks: list[Hook] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was found and converted, for the log."""

    def runner(self, **options: Any) -> RestorationRunner:
        """Build the Runner of all this; it writes into the work dir from here on."""
        config = self.config
        name = config.get('experiment_name') or Path(config.filename or 'run').stem
        runner = RestorationRunner(
            model=self.model,
            work_dir=config.work_dir,
            **copy.copy(self.sections),
            custom_hooks=self.hooks,
            launcher=config.launcher,
            env_cfg=config.env_cfg,
            log_processor=config.log_processor,
            log_level=config.get('log_level', 'INFO'),
            default_scope='irbox',
            randomness=config.randomness,
            experiment_name=f'{name}_{next(_RUNS)}',
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
    check_wrapping(config)
    with warnings_held():  # a refusal has the data set's own
        loader = build_loader(config, 'train_dataloader', training=True)
        check_sampler(loader)
        check_batches(loader, 'train_dataloader')
        # What a data set found and left out, then what was converted.
        notes = [*getattr(loader.dataset, 'notes', ())]
        notes += training_warnings(loader.dataset, strict=config.get('strict_data', True))
    notes += to_iterations(config, size(loader), get_world_size())
    sections = {
        'train_dataloader': loader,
        'train_cfg': {'type': 'IterationTrainLoop'} | config.train_cfg.to_dict(),
        'optim_wrapper': _with_precision(config),
        'param_scheduler': copy.deepcopy(config.get('param_scheduler')),
        'auto_scale_lr': config.get('auto_scale_lr'),
        'default_hooks': default_hooks(config),
        'visualizer': visualizer(config),
    }
    skips = getattr(loader.dataset, 'on_bad_sample', '') == 'skip'
    if skips and 'bad_samples' not in sections['default_hooks']:
        raise ValueError(
            'default_hooks.bad_samples: null does not go with on_bad_sample: skip, whose samples '
            'this hook takes note of. Remove one of them.'
        )
    if config.get('val_dataloader') is not None:
        sections |= _evaluation(config, 'val')
    prepared = Prepared(config, build_model(config, copies=2), sections, notes=notes)
    try_optimizer(prepared)
    with errors_at('default_hooks'):
        for hook in sections['default_hooks'].values():
            build_hook(hook)
    if config.get('ema'):
        with errors_at('ema'):
            prepared.hooks.append(build_hook({'type': 'EMAHook'} | config.ema))
    if config.get('compile_blocks'):
        with errors_at('compile_blocks'):
            prepared.hooks.append(build_hook({'type': 'CompileHook'}))
    if config.get('capture_steps'):
        with errors_at('capture_steps'):
            prepared.hooks.append(build_hook({'type': 'CaptureHook'}))
    with errors_at('custom_hooks'):
        prepared.hooks += [build_hook(hook) for hook in config.get('custom_hooks') or []]
    check_activations(config, loader, prepared.hooks)
    for key in ('train_dataloader', 'val_dataloader'):
        notes += check_files(sections.get(key, {}), key)
    notes += check_leaks(loader, config, sections.get('val_dataloader', {}))
    return prepared


def prepare_test(config: Config, protocol: str | Sequence[str] = ()) -> Prepared:
    """Build what a test needs; nothing is written.

    A config without ``test_dataloader`` is tested on its validation sets.

    Args:
        config: As ``load_config`` gives it; changed in place to what will be used.
        protocol: One or several, in place of the protocol of the config's ``RestorationMetric``.
            The results of all but the first carry its name.

    Raises:
        ValueError, FileNotFoundError, ImportError: See ``prepare_training``.
    """
    tested = tested_sections(config)
    if config.get('model') is None:
        raise ValueError('The config has no `model`, which testing needs.')
    if config.get(tested['dataloader']) is None:
        raise ValueError('The config has no `test_dataloader` and no `val_dataloader` to test on.')
    _fill_in(config, None)
    if protocol:
        protocols = [protocol] if isinstance(protocol, str) else protocol
        _set_protocols(config, tested['evaluator'], protocols)
    hooks = default_hooks(config)
    progress = {'progress': hooks['progress']} if 'progress' in hooks else {}
    sections = {
        'default_hooks': {'checkpoint': None, 'param_scheduler': None, **progress},
        **_evaluation(config, 'test', **tested),
    }
    check_files(sections['test_dataloader'], tested['dataloader'])
    notes = data_notes(sections['test_dataloader'])
    return Prepared(config, build_model(config), sections, notes=notes)


def tested_sections(config: Mapping[str, Any]) -> dict[str, str]:
    """Name what a test takes its ``dataloader`` and ``evaluator`` from: else the validation's."""
    return {
        kind: f'val_{kind}'
        if config.get(f'test_{kind}') is None and config.get(f'val_{kind}') is not None
        else f'test_{kind}'
        for kind in ('dataloader', 'evaluator')
    }


def work_dir_of(config: Config) -> Path:
    """Tell where a run writes: what the config says, or a folder named for it."""
    name = Path(config.filename).stem if config.filename else 'run'
    return Path(config.get('work_dir') or DEFAULT_WORK_DIRS / name).expanduser()


def build_model(config: Config, copies: int = 1) -> nn.Module:
    """Build the config's model, its weights drawn from the seed, on the device it will run on.

    Args:
        config: With a model and a seed.
        copies: Numbers that are kept for each weight, see ``check_memory``.

    Raises:
        ValueError, ImportError, OSError: It cannot be built, or cannot fit into the memory.
    """
    check_memory(config.model, copies)
    set_random_seed(config.randomness.seed)
    with errors_at('model', (ValueError, ImportError, OSError)):
        return cast(nn.Module, MODELS.build(copy.deepcopy(config.model))).to(get_device())


def try_optimizer(prepared: Prepared) -> OptimWrapper:
    """Build the optimiser and its schedulers as the Runner will, to see whether they can be."""
    with errors_at('optim_wrapper'):
        wrapper = build_optim_wrapper(
            prepared.model, copy.deepcopy(prepared.sections['optim_wrapper'])
        )
    build_schedulers(prepared, wrapper)
    return wrapper


def build_schedulers(prepared: Prepared, wrapper: OptimWrapper) -> list[Any]:
    """Build the schedulers of an optimiser as the Runner will."""
    config, built = prepared.config, []
    schedulers = config.get('param_scheduler') or []
    for index, scheduler in enumerate(schedulers if isinstance(schedulers, list) else [schedulers]):
        with errors_at(f'param_scheduler.{index}'):
            given = {'end': config.train_cfg.max_iters} | copy.deepcopy(scheduler)
            more = {'optimizer': wrapper, 'epoch_length': 1}
            built.append(PARAM_SCHEDULERS.build(given, default_args=more))
    return built


def _fill_in(config: Config, seed: int | None) -> None:
    """Give what every run needs a value."""
    settle_seed(config, seed)
    config.work_dir = str(work_dir_of(config))
    config.launcher = config.get('launcher') or 'none'
    config.env_cfg = ConfigDict(
        {'mp_cfg': {'mp_start_method': 'fork', 'opencv_num_threads': 0}}
        | (config.get('env_cfg') or {})
    )
    config.log_processor = ConfigDict({'by_epoch': False} | (config.get('log_processor') or {}))
    config.default_hooks = ConfigDict(config.get('default_hooks') or {})
    config.default_hooks.setdefault('checkpoint', ConfigDict(type='CheckpointHook'))


def _evaluation(
    config: Config,
    mode: Literal['val', 'test'],
    dataloader: str = 'val_dataloader',
    evaluator: str = 'val_evaluator',
) -> dict[str, Any]:
    """Build the loaders, evaluator and loop of a validation or test from the sections named."""
    loop = {'type': LOOPS_OF[mode]} | dict(config.get(f'{mode}_cfg') or {})
    return {
        f'{mode}_dataloader': build_loaders(config, dataloader),
        f'{mode}_evaluator': build_evaluator(config, evaluator),
        f'{mode}_cfg': loop,
    }


def _with_precision(config: Config) -> ConfigDict:
    """The optimiser wrapper for the precision that ``amp`` asks for."""
    defaults = {'type': 'OptimWrapper', 'constructor': 'RestorationOptimWrapperConstructor'}
    wrapper = ConfigDict(defaults | config.optim_wrapper)
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


def _set_protocols(config: Config, section: str, protocols: Sequence[str]) -> None:
    """Put a metric for each protocol in the place of the evaluator's RestorationMetrics."""
    name = RestorationMetric.__name__
    evaluator = config.get(section) or {'type': name}
    metrics = evaluator.get('metrics', evaluator) if isinstance(evaluator, Mapping) else evaluator
    metrics = [dict(one) for one in (metrics if isinstance(metrics, (list, tuple)) else [metrics])]
    if not any(metric['type'] == name for metric in metrics):
        given = ' '.join(protocols)
        raise ValueError(f'--protocol {given}: {section} has no RestorationMetric to set.')
    config[section] = [
        {'type': name, 'protocol': protocol, 'qualify': number > 0}
        for number, protocol in enumerate(dict.fromkeys(protocols))
    ] + [metric for metric in metrics if metric['type'] != name]
