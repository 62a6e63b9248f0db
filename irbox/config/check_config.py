"""The check that every config passes before anything is built or written.

mmengine accepts unknown keys in silence, so a misspelt option would be a training with the default.
Here every key must mean something, and the message names its place in the config and the nearest
known key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Literal

from mmengine.config import Config

from irbox import registry as registries
from irbox.config.check_values import check_keys, check_losses, check_part, check_values, join
from irbox.config.section_types import (
    AutoScaleLR,
    ClipGrad,
    CustomImports,
    Environment,
    Loader,
    ParamwiseCfg,
    Randomness,
)
from irbox.registry import SCOPE, suggest
from irbox.utils.bounded import PositiveInt
from irbox.utils.check_type import check_type

Check = Callable[[Any, str], None]

DEFAULT_HOOKS = frozenset(
    {
        'runtime_info',
        'timer',
        'sampler_seed',
        'logger',
        'param_scheduler',
        'checkpoint',
        'progress',
        'final_weights',
        'finite_steps',
        'replicas',
        'bad_samples',
        'signs_of_life',
        'watchdog',
        'keep_memory',
    }
)
AMP = Literal[False, True, 'bf16', 'fp16']
LOG_LEVELS = Literal['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL']


def check_config(
    config: Config | Mapping[str, Any], sections: Collection[str] | None = None
) -> None:
    """Refuse what cannot be meant: unknown keys and parts, numbers that are text, left-overs.

    Top-level names that begin with an underscore are a config's own variables.

    Args:
        config: A whole config, as ``load_config`` reads it.
        sections: Look inside these top-level keys only, to save imports. All by default.

    Raises:
        ValueError: With the dotted path of the first mistake and what to write instead.
    """
    content = config.to_dict() if isinstance(config, Config) else config
    content = {key: value for key, value in content.items() if not str(key).startswith('_')}
    check_keys(content, SECTIONS, '')
    check_values(content)
    for key, value in content.items():
        if value is not None and (sections is None or key in sections):
            SECTIONS[key](value, key)


def _part(value: Any, path: str, registry: Any, **options: Any) -> None:
    check_part(value, path, registry, **options)


def _model(value: Any, path: str) -> None:
    check_part(value, path, registries.MODELS)
    check_losses(value.get('losses'), join(path, 'losses'))


def _loader(value: Any, path: str) -> None:
    _is_mapping(value, path)
    if 'dataset' not in value:
        raise ValueError(f'{path}: a data loader needs `dataset`. {suggest("dataset", value)}')
    check_type(value, Loader, path)
    for key, item in value.items():
        place = join(path, key)
        if key == 'dataset':
            check_part(item, place, registries.DATASETS)
        elif key == 'sampler':
            check_part(item, place, registries.DATA_SAMPLERS, injected=('dataset', 'seed'))
        elif key == 'batch_sampler' and item is not None:
            injected = ('sampler', 'batch_size')
            check_part(item, place, registries.DATA_SAMPLERS, injected=injected)
        elif key == 'collate_fn':
            check_part(item, place, registries.FUNCTIONS, injected=('data_batch',))
        elif key == 'worker_init_fn':
            check_part(item, place, registries.FUNCTIONS, injected=('worker_id',))


def _loaders(value: Any, path: str) -> None:
    """Give one loader, or a mapping from the name of a set to its loader."""
    _is_mapping(value, path)
    if 'dataset' in value or not all(isinstance(v, Mapping | None) for v in value.values()):
        _loader(value, path)
        return
    if not any(value.values()):
        raise ValueError(f'{path}: there is no set. Name one, such as {path}: {{test: {{...}}}}.')
    for name, item in value.items():
        if item is not None:
            _loader(item, join(path, name))


def _train_cfg(value: Any, path: str) -> None:
    _is_mapping(value, path)
    if 'by_epoch' in value or value.get('type') == 'EpochBasedTrainLoop':
        raise ValueError(
            f'{path}: training counts iterations. Remove by_epoch, use type: IterationTrainLoop; '
            'max_epochs and val_interval in epochs are turned into iterations.'
        )
    if ('max_epochs' in value) == ('max_iters' in value):
        given = ' and '.join(
            f'{key}={value[key]}' for key in ('max_epochs', 'max_iters') if key in value
        )
        raise ValueError(
            f'{path}: give either max_iters or max_epochs; got {given or "neither"}. The intervals '
            'and the schedule of a training count what its length does: change that one.'
        )
    check_part(
        value,
        path,
        registries.LOOPS,
        injected=('runner', 'dataloader'),
        extra=('max_epochs',),
        default='IterationTrainLoop',
    )
    if 'max_epochs' in value:
        check_type(value['max_epochs'], PositiveInt, join(path, 'max_epochs'))


def _optim_wrapper(value: Any, path: str) -> None:
    _is_mapping(value, path)
    if 'optimizer' not in value:
        raise ValueError(f'{path}: it needs `optimizer`. {suggest("optimizer", value)}')
    extra = ('optimizer', 'constructor', 'paramwise_cfg', 'clip_grad')
    check_part(value, path, registries.OPTIM_WRAPPERS, extra=extra, default='OptimWrapper')
    check_part(
        value['optimizer'], join(path, 'optimizer'), registries.OPTIMIZERS, injected=('params',)
    )
    for key, known in (('clip_grad', ClipGrad), ('paramwise_cfg', ParamwiseCfg)):
        if value.get(key) is not None:
            check_type(value[key], known, join(path, key))
    clip = value.get('clip_grad')
    needed, other = 'max_norm', 'clip_value'
    if clip and clip.get('type') == 'value':
        needed, other = other, needed
    if clip and (needed not in clip or other in clip):
        raise ValueError(
            f'{path}.clip_grad: it needs {needed}, and no {other}. Write {{max_norm: 1.0}} to clip '
            'by the norm, {type: value, clip_value: 0.1} to clip each number.'
        )
    count = value.get('accumulative_counts', 1)
    check_type(count, PositiveInt, join(path, 'accumulative_counts'))


def _schedulers(value: Any, path: str) -> None:
    for index, item in enumerate(value if isinstance(value, (list, tuple)) else [value]):
        place = join(path, index) if isinstance(value, (list, tuple)) else path
        check_part(
            item,
            place,
            registries.PARAM_SCHEDULERS,
            injected=('optimizer', 'epoch_length'),
            extra=('convert_to_iter_based',),
        )


def _evaluator(value: Any, path: str) -> None:
    if isinstance(value, Mapping) and 'metrics' in value:
        check_keys(value, ('type', 'metrics'), path)
        _evaluator(value['metrics'], join(path, 'metrics'))
        return
    for index, item in enumerate(value if isinstance(value, (list, tuple)) else [value]):
        place = join(path, index) if isinstance(value, (list, tuple)) else path
        check_part(item, place, registries.METRICS)


def _default_hooks(value: Any, path: str) -> None:
    _is_mapping(value, path)
    check_keys(value, DEFAULT_HOOKS, path)
    for name, hook in value.items():
        if hook is not None:
            check_part(hook, join(path, name), registries.HOOKS, extra=('priority',))


def _custom_hooks(value: Any, path: str) -> None:
    check_type(value, list, path)
    for index, hook in enumerate(value):
        check_part(hook, join(path, index), registries.HOOKS, extra=('priority',))


def _of(value: Any, path: str, declared: Any) -> None:
    check_type(value, declared, path)


def _is_mapping(value: Any, path: str) -> None:
    check_type(value, Mapping, path)


_text = partial(_of, declared=str)
_flag = partial(_of, declared=bool)
_loop = partial(_part, registry=registries.LOOPS, injected=('runner', 'dataloader', 'evaluator'))

SECTIONS: Mapping[str, Check] = {
    'model': _model,
    'data_preprocessor': partial(_part, registry=registries.MODELS),
    'train_dataloader': _loader,
    'val_dataloader': _loaders,
    'test_dataloader': _loaders,
    'train_cfg': _train_cfg,
    'val_cfg': partial(_loop, default='MultiValLoop'),
    'test_cfg': partial(_loop, default='MultiTestLoop'),
    'val_evaluator': _evaluator,
    'test_evaluator': _evaluator,
    'optim_wrapper': _optim_wrapper,
    'param_scheduler': _schedulers,
    'amp': partial(_of, declared=AMP),
    'ema': partial(_part, registry=registries.HOOKS, default='EMAHook'),
    'compile_blocks': _flag,
    'capture_steps': _flag,
    'leaks': partial(_of, declared=Literal['refuse', 'warn', 'ignore']),
    'strict_data': _flag,
    'default_hooks': _default_hooks,
    'custom_hooks': _custom_hooks,
    'visualizer': partial(_part, registry=registries.VISUALIZERS, default='Visualizer'),
    'log_processor': partial(_part, registry=registries.LOG_PROCESSORS, default='LogProcessor'),
    'env_cfg': partial(_of, declared=Environment),
    'randomness': partial(_of, declared=Randomness),
    'auto_scale_lr': partial(_of, declared=AutoScaleLR),
    'model_wrapper_cfg': partial(
        _part,
        registry=registries.MODEL_WRAPPERS,
        injected=('module',),
        default='MMDistributedDataParallel',
    ),
    'custom_imports': partial(_of, declared=CustomImports),
    'plugins': partial(_of, declared=list[str]),
    'log_level': partial(_of, declared=LOG_LEVELS),
    'default_scope': partial(_of, declared=Literal[SCOPE]),
    'launcher': partial(_of, declared=Literal['none', 'pytorch', 'slurm']),
    'work_dir': _text,
    'load_from': _text,
    'experiment_name': _text,
    'find_unused_parameters': _flag,
    'strategy': partial(_of, declared=Literal['ddp', 'fsdp2']),
    'recompute_blocks': _flag,
}
