"""The registries, and the one function that builds a part from its config.

A registry per contract: a part put in the wrong place is refused by name. Parts register when their
folder is imported, which happens on the first build. Six registries hold what irbox is made of; the
others are children of mmengine's, so that its Runner finds our parts and ours find mmengine's.

Each is made by ``add_kind``, at the end of this file. What is said there is all that the check of
configs, the list of parts, the table of a network and the tests know about a kind.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry

from irbox.utils.part_arguments import arguments_of, check_arguments
from irbox.utils.plugin_imports import import_all_installed
from irbox.utils.suggest import suggest as suggest

SCOPE = 'irbox'


@dataclass(frozen=True)
class PartKind:
    """What is known about a kind of parts."""

    registry: Registry
    plural: str = ''
    """Its heading in the list of parts; '' leaves it out of the list."""
    folders: tuple[str, ...] = ()
    """Where irbox keeps its own, below the package, dotted."""
    keys: tuple[str, ...] = ()
    """Keys of a config that one part stands under."""
    collections: tuple[str, ...] = ()
    """Keys of a config that a mapping or list of them stands under."""
    injected: tuple[str, ...] = ()
    """Arguments that the surrounding part passes, so that no config writes them."""
    check: str = ''
    """The function of ``irbox.testing`` that tries one; '' where there is none."""


_KINDS: list[PartKind] = []


def part_kinds() -> tuple[PartKind, ...]:
    """List the kinds of parts, in the order in which they are shown."""
    return tuple(_KINDS)


def add_kind(name: str, parent: Registry | None = None, **known: Any) -> Registry:
    """Make the registry of a kind of parts.

    Args:
        name: What one of them is called in messages.
        parent: A registry of mmengine's that ours finds parts in as well.
        **known: Fields of ``PartKind``.
    """
    locations = [f'irbox.{folder}' for folder in known.get('folders', ())]
    registry = Registry(
        name, build_func=build_part, parent=parent, scope=SCOPE, locations=locations
    )
    _KINDS.append(PartKind(registry, **known))
    return registry


def known_names(registry: Registry) -> set[str]:
    """Give the names that a registry can build, those that it inherits included."""
    registry.import_from_location()
    names = set(registry.module_dict)
    return names | known_names(registry.parent) if registry.parent is not None else names


def our_registries() -> list[Registry]:
    """List every registry of irbox, the parts of its own folders in it."""
    found = [kind.registry for kind in _KINDS]
    for one in found:
        one.import_from_location()
    return found


def refuse_dotted(name: str, place: str) -> None:
    """Refuse a dotted name, for which mmengine would import and call whatever it names."""
    if '.' in name:
        raise ValueError(
            f'{place}: dotted type names ({name!r}) are refused, since they would import and call '
            'any code. Register the part and use its plain name.'
        )


def find_part(name: Any, registry: Registry) -> Any:
    """Find the class of a name; installed plug-ins are imported if nothing else has it.

    Raises:
        ValueError: The name is no text, is dotted, or is unknown.
    """
    kind = registry.name
    if not isinstance(name, str):
        raise ValueError(f'The type of a {kind} must be a name, got {name!r}.')
    refuse_dotted(name, kind)
    if name not in known_names(registry):
        broken = import_all_installed(our_registries())
        if name not in known_names(registry):
            text = f'No {kind} is called {name!r}. {suggest(name, known_names(registry))}'
            # It may be the one that a broken plug-in would have brought.
            raise ValueError(' '.join([text, *broken]))
    return registry.get(name)


def arguments_told(kind: str) -> set[str]:
    """Give the arguments that the program passes to every part of a kind, and no config names."""
    return {name for one in _KINDS if one.registry.name == kind for name in one.injected}


def build_part(cfg: Mapping[str, Any], registry: Registry, **injected: Any) -> Any:
    """Build a registered part.

    Args:
        cfg: ``type`` and the arguments that a user wrote.
        registry: Where to look the type up.
        **injected: Arguments that the surrounding part passes, such as ``stage``. A config may not
            set them.

    Raises:
        ValueError: The type or an argument is unknown, set twice or missing, or a value does not
            fit the annotation of its argument.

    Examples:
        >>> build_part({'type': 'MLPExpert', 'ratio': 2}, EXPERTS, dim=16).fc1
        Linear(in_features=16, out_features=32, bias=True)
        >>> build_part({'type': 'MLPExpert', 'ratio': -1}, EXPERTS, dim=16)
        Traceback (most recent call last):
        ValueError: MLPExpert.ratio: -1 must be a number above 0.
    """
    kind = registry.name
    if not isinstance(cfg, Mapping) or 'type' not in cfg:
        raise ValueError(f'A {kind} is described by a mapping with the key `type`, got {cfg!r}.')
    arguments = dict(cfg)
    name = arguments.pop('type')
    part = find_part(name, registry)
    told = arguments_told(kind)
    check_arguments(name, part, arguments, kind, injected=injected, hidden=told)
    arguments.update(injected)
    parameters, closed = arguments_of(part)
    if closed and (unknown := sorted(set(injected) - set(parameters))):
        raise ValueError(
            f'{kind} {name} takes no argument {unknown[0]!r}, which is what it is told where it '
            f'stands. {suggest(unknown[0], parameters)}'
        )
    missing = [
        p.name
        for p in inspect.signature(part).parameters.values()
        if p.default is p.empty
        and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        and p.name not in arguments
    ]
    if missing:
        raise ValueError(f'{kind} {name} needs {", ".join(missing)}. Add it beside `type: {name}`.')
    return part(**arguments)


# What irbox is made of.
MODELS = add_kind(
    'model',
    mmengine_registry.MODELS,
    plural='networks',
    folders=('models', 'networks'),
    keys=('network',),
)
BLOCKS = add_kind(
    'block',
    plural='blocks',
    folders=('blocks',),
    keys=('block', 'before_level', 'before_upsample', 'fuse'),
    injected=('stage',),
    check='check_block',
)
ROUTERS = add_kind(
    'router',
    plural='routers',
    folders=('routers',),
    keys=('router',),
    injected=('stage', 'num_experts', 'top_k'),
    check='check_router',
)
EXPERTS = add_kind(
    'expert',
    plural='experts',
    folders=('experts',),
    keys=('expert', 'shared_expert'),
    injected=('dim',),
    check='check_expert',
)
PRIORS = add_kind(
    'prior', plural='priors', folders=('priors',), keys=('prior', 'prompt'), check='check_prior'
)
LOSSES = add_kind(
    'loss', plural='losses', folders=('losses',), collections=('losses',), check='check_loss'
)

# What feeds, drives and judges it.
DATASETS = add_kind(
    'dataset',
    mmengine_registry.DATASETS,
    plural='datasets',
    folders=('datasets',),
    keys=('dataset',),
    collections=('datasets',),
)
TRANSFORMS = add_kind(
    'transform',
    mmengine_registry.TRANSFORMS,
    plural='degradations',
    folders=('degradations',),
    keys=('degrade',),
    collections=('degradations', 'transforms'),
)
DATA_SAMPLERS = add_kind(
    'data sampler',
    mmengine_registry.DATA_SAMPLERS,
    plural='samplers',
    folders=('datasets',),
    injected=('dataset',),
)
METRICS = add_kind(
    'metric',
    mmengine_registry.METRICS,
    plural='metrics',
    folders=('evaluation',),
    check='check_metric',
)
HOOKS = add_kind('hook', mmengine_registry.HOOKS, plural='hooks', folders=('engine.hooks',))
LOOPS = add_kind(
    'loop',
    mmengine_registry.LOOPS,
    plural='loops',
    folders=('engine.loops',),
    injected=('runner', 'dataloader', 'evaluator'),
)
OPTIM_WRAPPERS = add_kind(
    'optimizer wrapper',
    mmengine_registry.OPTIM_WRAPPERS,
    plural='optimiser wrappers',
    folders=('engine.optim',),
)
OPTIM_WRAPPER_CONSTRUCTORS = add_kind(
    'optimizer wrapper constructor',
    mmengine_registry.OPTIM_WRAPPER_CONSTRUCTORS,
    plural='optimiser constructors',
    folders=('engine.optim',),
)
PARAM_SCHEDULERS = add_kind(
    'parameter scheduler',
    mmengine_registry.PARAM_SCHEDULERS,
    plural='schedulers',
    folders=('engine.optim',),
)

# mmengine's own parts, which configs can name, too. Without a child of ours for every root mmengine
# warns that it found no registry of our scope.
RUNNERS = add_kind('runner', mmengine_registry.RUNNERS)
RUNNER_CONSTRUCTORS = add_kind('runner constructor', mmengine_registry.RUNNER_CONSTRUCTORS)
STRATEGIES = add_kind('strategy', mmengine_registry.STRATEGIES)
MODEL_WRAPPERS = add_kind('model wrapper', mmengine_registry.MODEL_WRAPPERS)
WEIGHT_INITIALIZERS = add_kind('weight initializer', mmengine_registry.WEIGHT_INITIALIZERS)
OPTIMIZERS = add_kind('optimizer', mmengine_registry.OPTIMIZERS)
EVALUATOR = add_kind('evaluator', mmengine_registry.EVALUATOR)
TASK_UTILS = add_kind('task util', mmengine_registry.TASK_UTILS)
VISUALIZERS = add_kind(
    'visualizer', mmengine_registry.VISUALIZERS, folders=('engine.vis_backends',)
)
VISBACKENDS = add_kind(
    'visualization backend',
    mmengine_registry.VISBACKENDS,
    folders=('engine.vis_backends',),
    collections=('vis_backends',),
)
LOG_PROCESSORS = add_kind('log processor', mmengine_registry.LOG_PROCESSORS)
INFERENCERS = add_kind('inferencer', mmengine_registry.INFERENCERS)
FUNCTIONS = add_kind('function', mmengine_registry.FUNCTIONS, folders=('datasets',))
