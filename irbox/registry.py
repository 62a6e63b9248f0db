"""The registries, and the one function that builds a part from its config.

A registry per contract: a part put in the wrong place is refused by name. Parts register when their
folder is imported, which happens on the first build. Six registries hold what irbox is made of; the
others are children of mmengine's, so that its Runner finds our parts and ours find mmengine's.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry

from irbox.utils.plugin_imports import import_all_installed

SCOPE = 'irbox'


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which known name is nearest, and which names there are."""
    known = sorted(known)
    near = get_close_matches(name, known, n=1)
    hint = f'Did you mean {near[0]!r}? ' if near else ''
    return f'{hint}Known: {", ".join(known) or "none"}.'


def known_names(registry: Registry) -> set[str]:
    """Names that a registry can build, those that it inherits included."""
    registry.import_from_location()
    names = set(registry.module_dict)
    return names | known_names(registry.parent) if registry.parent is not None else names


def our_registries() -> list[Registry]:
    """Every registry of irbox, the parts of its own folders in it."""
    found = [one for one in globals().values() if isinstance(one, Registry) and one.scope == SCOPE]
    for one in found:
        one.import_from_location()
    return found


def find_part(name: Any, registry: Registry) -> Any:
    """The class registered under a name; installed plug-ins are imported if nothing else has it.

    Raises:
        ValueError: The name is no text, is dotted (mmengine would import and call whatever it
            names), or is unknown.
    """
    kind = registry.name
    if not isinstance(name, str):
        raise ValueError(f'The type of a {kind} must be a name, got {name!r}.')
    if '.' in name:
        raise ValueError(
            f'{kind} {name!r}: dotted type names are refused, '
            'since they would import and call any code. '
            'Register the part and use its plain name.'
        )
    if name not in known_names(registry):
        broken = import_all_installed(our_registries())
        if name not in known_names(registry):
            text = f'No {kind} is called {name!r}. {suggest(name, known_names(registry))}'
            # It may be the one that a broken plug-in would have brought.
            raise ValueError(' '.join([text, *broken]))
    return registry.get(name)


def check_arguments(
    name: str, part: Any, given: Iterable[str], kind: str, injected: Iterable[str] = ()
) -> None:
    """Refuse arguments that a part does not take.

    Args:
        name: The part's registered name.
        part: Its class or function.
        given: Names of the arguments that would be passed.
        kind: What it is ('block', 'router', ...), for the message.
        injected: Arguments that the program passes and a config does not, left out of the list in
            the message.

    Raises:
        ValueError: An argument is unknown; the message names the nearest and all.
    """
    parameters = inspect.signature(part).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    taken = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    for argument in given:
        if argument not in taken:
            raise ValueError(
                f'{kind} {name} takes no argument {argument!r}. '
                f'{suggest(argument, set(taken) - set(injected))} '
                'If a base config left the argument behind, add `_delete_: true` beside `type`.'
            )


def build_part(cfg: Mapping[str, Any], registry: Registry, **injected: Any) -> Any:
    """Build a registered part.

    Args:
        cfg: ``type`` and the arguments that a user wrote.
        registry: Where to look the type up.
        **injected: Arguments that the surrounding part passes, such as ``stage``. A config may not
        set them.

    Raises:
        ValueError: The type or an argument is unknown, set twice or missing.
    """
    kind = registry.name
    if not isinstance(cfg, Mapping) or 'type' not in cfg:
        raise ValueError(f'A {kind} is described by a mapping with the key `type`, got {cfg!r}.')
    arguments = dict(cfg)
    name = arguments.pop('type')
    part = find_part(name, registry)
    check_arguments(name, part, arguments, kind, injected)
    twice = sorted(set(arguments) & set(injected))
    if twice:
        raise ValueError(
            f'{kind} {name}: {", ".join(twice)} is set by the surrounding part. '
            'Remove it from the config.'
        )
    arguments.update(injected)
    check_arguments(name, part, arguments, kind)
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


def _own(name: str, folder: str) -> Registry:
    return Registry(name, build_func=build_part, scope=SCOPE, locations=[f'irbox.{folder}'])


def _child(name: str, parent: Registry, *folders: str) -> Registry:
    locations = [f'irbox.{folder}' for folder in folders]
    return Registry(name, build_func=build_part, parent=parent, scope=SCOPE, locations=locations)


# What irbox is made of.
MODELS = _child('model', mmengine_registry.MODELS, 'models', 'networks')
BLOCKS = _own('block', 'blocks')
ROUTERS = _own('router', 'routers')
EXPERTS = _own('expert', 'experts')
PRIORS = _own('prior', 'priors')
LOSSES = _own('loss', 'losses')

# What feeds, drives and judges it.
DATASETS = _child('dataset', mmengine_registry.DATASETS, 'datasets')
TRANSFORMS = _child('transform', mmengine_registry.TRANSFORMS, 'degradations')
DATA_SAMPLERS = _child('data sampler', mmengine_registry.DATA_SAMPLERS, 'datasets')
METRICS = _child('metric', mmengine_registry.METRICS, 'evaluation')
HOOKS = _child('hook', mmengine_registry.HOOKS, 'engine.hooks')
LOOPS = _child('loop', mmengine_registry.LOOPS, 'engine.loops')
OPTIM_WRAPPERS = _child('optimizer wrapper', mmengine_registry.OPTIM_WRAPPERS, 'engine.optim')
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    'optimizer wrapper constructor', mmengine_registry.OPTIM_WRAPPER_CONSTRUCTORS, 'engine.optim'
)
PARAM_SCHEDULERS = _child('parameter scheduler', mmengine_registry.PARAM_SCHEDULERS, 'engine.optim')

# Empty children: without one of its own for every root, mmengine warns that it found no registry of
# our scope.
RUNNERS = _child('runner', mmengine_registry.RUNNERS)
RUNNER_CONSTRUCTORS = _child('runner constructor', mmengine_registry.RUNNER_CONSTRUCTORS)
STRATEGIES = _child('strategy', mmengine_registry.STRATEGIES)
MODEL_WRAPPERS = _child('model wrapper', mmengine_registry.MODEL_WRAPPERS)
WEIGHT_INITIALIZERS = _child('weight initializer', mmengine_registry.WEIGHT_INITIALIZERS)
OPTIMIZERS = _child('optimizer', mmengine_registry.OPTIMIZERS)
EVALUATOR = _child('evaluator', mmengine_registry.EVALUATOR)
TASK_UTILS = _child('task util', mmengine_registry.TASK_UTILS)
VISUALIZERS = _child('visualizer', mmengine_registry.VISUALIZERS)
VISBACKENDS = _child('visualization backend', mmengine_registry.VISBACKENDS)
LOG_PROCESSORS = _child('log processor', mmengine_registry.LOG_PROCESSORS)
INFERENCERS = _child('inferencer', mmengine_registry.INFERENCERS)
FUNCTIONS = _child('function', mmengine_registry.FUNCTIONS, 'datasets')
