"""The check that every config passes before anything is built or written.

mmengine accepts unknown keys in silence, so a misspelt option would be a training with the default.
Here every key must mean something, and the message names its place in the config and the nearest
known key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from mmengine.config import Config

from irbox import registry as registries
from irbox.config.check_values import check_keys, check_nested, check_part, check_values, join
from irbox.registry import SCOPE, suggest

Check = Callable[[Any, str], None]

LOADER_KEYS = frozenset(
    {
        'dataset',
        'sampler',
        'batch_sampler',
        'batch_size',
        'num_workers',
        'collate_fn',
        'num_batch_per_epoch',
        'worker_init_fn',
        'pin_memory',
        'drop_last',
        'timeout',
        'multiprocessing_context',
        'prefetch_factor',
        'persistent_workers',
        'pin_memory_device',
        'in_order',
        'disable_subprocess_warning',
    }
)
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
    }
)
PARAMWISE_KEYS = frozenset(
    {
        'custom_keys',
        'bias_lr_mult',
        'bias_decay_mult',
        'norm_decay_mult',
        'flat_decay_mult',
        'dwconv_decay_mult',
        'dcn_offset_lr_mult',
        'bypass_duplicate',
    }
)
CLIP_KEYS = frozenset(
    {'type', 'max_norm', 'norm_type', 'error_if_nonfinite', 'foreach', 'clip_value'}
)
AMP = (False, True, None, 'bf16', 'fp16')
LOG_LEVELS = ('DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL')


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


def _loader(value: Any, path: str) -> None:
    _is_mapping(value, path)
    if 'dataset' not in value:
        raise ValueError(f'{path}: a data loader needs `dataset`. {suggest("dataset", value)}')
    check_keys(value, LOADER_KEYS, path)
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
        else:
            check_nested(item, place)


def _loaders(value: Any, path: str) -> None:
    """One loader, or a mapping from the name of a set to its loader."""
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
    check_part(
        value,
        path,
        registries.LOOPS,
        injected=('runner', 'dataloader'),
        extra=('max_epochs',),
        default='IterationTrainLoop',
    )
    if ('max_epochs' in value) == ('max_iters' in value):
        given = ' and '.join(
            f'{key}={value[key]}' for key in ('max_epochs', 'max_iters') if key in value
        )
        raise ValueError(
            f'{path}: give either max_iters or max_epochs; got {given or "neither"}. The intervals '
            'and the schedule of a training count what its length does: change that one.'
        )
    for key in ('max_epochs', 'max_iters', 'val_interval'):
        number = value.get(key, 1)
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise ValueError(f'{join(path, key)}: {number!r} must be a whole number above 0.')


def _optim_wrapper(value: Any, path: str) -> None:
    _is_mapping(value, path)
    if 'optimizer' not in value:
        raise ValueError(f'{path}: it needs `optimizer`. {suggest("optimizer", value)}')
    extra = ('optimizer', 'constructor', 'paramwise_cfg', 'clip_grad')
    check_part(value, path, registries.OPTIM_WRAPPERS, extra=extra, default='OptimWrapper')
    check_part(
        value['optimizer'], join(path, 'optimizer'), registries.OPTIMIZERS, injected=('params',)
    )
    for key, known in (('clip_grad', CLIP_KEYS), ('paramwise_cfg', PARAMWISE_KEYS)):
        if value.get(key) is not None:
            _is_mapping(value[key], join(path, key))
            check_keys(value[key], known, join(path, key))
            check_nested({k: v for k, v in value[key].items() if k != 'type'}, join(path, key))
    count = value.get('accumulative_counts', 1)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f'{path}.accumulative_counts: {count!r} must be a whole number above 0.')


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
    if not isinstance(value, (list, tuple)):
        raise ValueError(f'{path}: must be a list of hooks, got {value!r}.')
    for index, hook in enumerate(value):
        check_part(hook, join(path, index), registries.HOOKS, extra=('priority',))


def _keys(value: Any, path: str, known: Mapping[str, Any]) -> None:
    """A mapping with known keys; a key may have known keys of its own."""
    _is_mapping(value, path)
    check_keys(value, known, path)
    for key, item in value.items():
        if known[key] is not None and item is not None:
            _keys(item, join(path, key), known[key])
        else:
            check_nested(item, join(path, key))


def _one_of(value: Any, path: str, known: Collection[Any]) -> None:
    if value not in known:
        near = suggest(str(value), [str(one) for one in known if one is not None])
        raise ValueError(f'{path}: {value!r} is unknown. {near}')


def _of_type(value: Any, path: str, kind: type, what: str) -> None:
    if not isinstance(value, kind):
        raise ValueError(f'{path}: {value!r} must be {what}.')


def _is_mapping(value: Any, path: str) -> None:
    _of_type(value, path, Mapping, 'a mapping')


_text = partial(_of_type, kind=str, what='text')
_flag = partial(_of_type, kind=bool, what='true or false')
_names = partial(_of_type, kind=list, what='a list of names')
_loop = partial(_part, registry=registries.LOOPS, injected=('runner', 'dataloader', 'evaluator'))

ENVIRONMENT: Mapping[str, Any] = {
    'cudnn_benchmark': None,
    'mp_cfg': {'mp_start_method': None, 'opencv_num_threads': None},
    'dist_cfg': {'timeout': None},
    'resource_limit': None,
}

SECTIONS: Mapping[str, Check] = {
    'model': partial(_part, registry=registries.MODELS),
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
    'amp': partial(_one_of, known=AMP),
    'ema': partial(_part, registry=registries.HOOKS, default='EMAHook'),
    'default_hooks': _default_hooks,
    'custom_hooks': _custom_hooks,
    'visualizer': partial(_part, registry=registries.VISUALIZERS, default='Visualizer'),
    'log_processor': partial(_part, registry=registries.LOG_PROCESSORS, default='LogProcessor'),
    'env_cfg': partial(_keys, known=ENVIRONMENT),
    'randomness': partial(
        _keys, known={'seed': None, 'diff_rank_seed': None, 'deterministic': None}
    ),
    'auto_scale_lr': partial(_keys, known={'enable': None, 'base_batch_size': None}),
    'model_wrapper_cfg': partial(
        _part,
        registry=registries.MODEL_WRAPPERS,
        injected=('module',),
        default='MMDistributedDataParallel',
    ),
    'custom_imports': partial(_keys, known={'imports': None, 'allow_failed_imports': None}),
    'plugins': _names,
    'log_level': partial(_one_of, known=LOG_LEVELS),
    'default_scope': partial(_one_of, known=(SCOPE,)),
    'launcher': partial(_one_of, known=('none', 'pytorch')),
    'work_dir': _text,
    'load_from': _text,
    'experiment_name': _text,
    'find_unused_parameters': _flag,
}
