"""A model that computes in another program than torch, by name or because it is the fastest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from mmengine.logging import print_log
from torch import nn

from irbox.graphs.engines import PACKAGES, TITLES, engine_version, open_engine
from irbox.restore.devices import Precision, Runtime, multiplies_bfloat16
from irbox.restore.restoration_model import RestorationModel
from irbox.restore.runtimes.choice import Choice, fastest, machine_facts, recall, remember
from irbox.restore.runtimes.kept_graph import KeptGraph, keep_graph, kept_path
from irbox.restore.runtimes.probes import CHECK, TRIAL, Probes
from irbox.restore.runtimes.runtime_network import RuntimeNetwork
from irbox.utils.optional import require

Tell = Callable[[str], None]
MEMORY = {'onnxruntime': 1.0, 'openvino': 2.5}
"""How many times as much a pixel of a tile takes there as in the graph that torch runs: measured,
see docs/performance.md."""


def use_runtime(
    model: RestorationModel,
    runtime: Runtime,
    precision: Precision = 'auto',
    tell: Tell | None = None,
) -> None:
    """Let a model compute in a runtime, if it gives torch's answers there.

    Args:
        model: As it was loaded.
        runtime: ``'torch'`` changes nothing; one by name; or ``'auto'``: the fastest that is
            installed and gives torch's answers, tried once on each machine.
        precision: That the model was asked to compute in.
        tell: Told what takes long, and what was chosen; the log by default.

    Raises:
        ValueError: A named one does not fit the device or the precision,
            cannot hold the network, or gives other answers.
        ImportError: A named one, or what exports to it, is not installed.
    """
    say = tell or (lambda text: print_log(text, logger='current'))
    if runtime == 'torch':
        return
    if model.device.type == 'cpu' and runtime == 'auto':
        _use_fastest(model, say)
    elif model.device.type == 'cpu':
        _use_named(model, runtime, precision, say)
    elif runtime != 'auto':
        raise ValueError(
            f'runtime={runtime!r} computes on the CPU, and the device is {model.device}. Choose '
            "device='cpu', or leave runtime out."
        )


class _Opener:
    """Opens a model's network in runtimes, exported once at most."""

    def __init__(self, model: RestorationModel, tell: Tell) -> None:
        self.model, self.tell = model, tell
        self._graph: KeptGraph | None = None
        self._kept = False

    def open(
        self, name: str, dtype: torch.dtype, probes: Probes
    ) -> tuple[RuntimeNetwork | None, str | None]:
        """Give the network in a runtime, or why it cannot be taken.

        What was kept from before is made anew where it does not give torch's answers: what a
        config or a plug-in means may have changed since.
        """
        if self._graph is None:
            self._graph, self._kept = keep_graph(self.model, self.tell)
        network, fault = self._try(name, dtype, probes, self._graph)
        if fault is not None and self._kept:
            self._graph, self._kept = keep_graph(self.model, self.tell, anew=True)
            network, fault = self._try(name, dtype, probes, self._graph)
        return network, fault

    def _try(
        self, name: str, dtype: torch.dtype, probes: Probes, graph: KeptGraph
    ) -> tuple[RuntimeNetwork | None, str | None]:
        if min(probes.size) < graph.smallest:
            # A smaller image would be computed in torch, and be equal for that reason.
            side = 2 * graph.smallest
            probes = Probes(self.model.network, dtype, (side, side))
        network = RuntimeNetwork(
            self.model.network,
            graph,
            lambda dtype: open_engine(name, graph.content, dtype),
        )
        try:
            fault = probes.fault(network)
        except Exception as error:  # whatever a program says of a graph that it cannot take
            if isinstance(error, MemoryError):
                raise
            first = str(error).strip().partition('\n')[0]
            fault = f'it cannot run the network ({type(error).__name__}: {first})'
        return (network, None) if fault is None else (None, fault)


def _use_named(model: RestorationModel, name: str, precision: Precision, tell: Tell) -> None:
    require(name, package=PACKAGES[name], needed_by=f'runtime={name!r}')
    opener, dtype = _Opener(model, tell), _precision_in(model, name)
    if dtype is None and precision == 'auto':
        dtype = torch.float32
    if dtype is None:
        also = ' or bfloat16' if name == 'openvino' and multiplies_bfloat16(model.device) else ''
        raise ValueError(
            f'precision={precision!r}: {TITLES[name]} computes in float32{also} here. Choose '
            "'fp32', or leave runtime out."
        )
    network, fault = opener.open(name, dtype, Probes(model.network, dtype, CHECK))
    if fault is not None and dtype != torch.float32 and precision == 'auto':
        dtype = torch.float32
        network, fault = opener.open(name, dtype, Probes(model.network, dtype, CHECK))
    if network is None:
        raise ValueError(f'runtime={name!r}: {fault}. Leave runtime out, and torch computes.')
    _put(model, name, network, dtype, 'as asked for')


def _use_fastest(model: RestorationModel, tell: Tell) -> None:
    skipped = {name: 'not installed' for name in TITLES if engine_version(name) is None}
    if len(skipped) == len(TITLES):
        tell(f'{model.name}: computed by torch: {Choice("torch", {}, skipped)}.')
        return
    facts, path = machine_facts(model.dtype), kept_path(model, '.runtimes.json')
    opener, choice = _Opener(model, tell), recall(path, facts)
    network = None
    if choice is not None and choice.runtime != 'torch':
        checks = Probes(model.network, model.dtype, CHECK)
        network = _open_quietly(opener, choice.runtime, model, checks)[0]
        choice = choice if network is not None else None
    if choice is None:
        choice, network = _try_all(model, opener, skipped)
        try:
            remember(path, facts, choice)
        except OSError as error:
            tell(f'{model.name}: the next start chooses again: {error}.')
    tell(f'{model.name}: computed by {TITLES.get(choice.runtime, "torch")}: {choice}.')
    if network is not None:
        _put(model, choice.runtime, network, model.dtype, str(choice))


def _try_all(
    model: RestorationModel, opener: _Opener, skipped: dict[str, str]
) -> tuple[Choice, RuntimeNetwork | None]:
    probes = Probes(model.network, model.dtype, TRIAL)
    found: dict[str, nn.Module] = {'torch': model.network}
    for name in TITLES:
        if name in skipped:
            continue
        network, fault = _open_quietly(opener, name, model, probes)
        if network is None:
            skipped[name] = fault or ''
        else:
            found[name] = network
    if len(found) == 1:
        return Choice('torch', {}, skipped), None
    seconds = probes.seconds(found)
    # Once more: a program may compute in another way what comes again.
    while (name := fastest(seconds)) != 'torch' and (fault := probes.fault(found[name])):
        skipped[name] = fault
        del found[name], seconds[name]
    choice = Choice(name, seconds, skipped)
    taken = found[choice.runtime]
    return choice, taken if isinstance(taken, RuntimeNetwork) else None


def _open_quietly(
    opener: _Opener, name: str, model: RestorationModel, probes: Probes
) -> tuple[RuntimeNetwork | None, str | None]:
    dtype = _precision_in(model, name)
    if dtype is None:
        return None, f'it does not compute in {str(model.dtype).removeprefix("torch.")} here'
    try:
        return opener.open(name, dtype, probes)
    except (ValueError, ImportError) as error:
        return None, str(error)


def _precision_in(model: RestorationModel, name: str) -> torch.dtype | None:
    """What a runtime computes a model in; None where it cannot."""
    if model.dtype == torch.float32:
        return model.dtype
    can = name == 'openvino' and model.dtype == torch.bfloat16 and multiplies_bfloat16(model.device)
    return model.dtype if can else None


def _put(
    model: RestorationModel, name: str, network: RuntimeNetwork, dtype: torch.dtype, why: str
) -> None:
    title = f'{TITLES[name]} {engine_version(name)}'
    said = model.precision
    if dtype != model.dtype:
        said = f'float32: {TITLES[name]} computes the model in it alone'
    kind, _, reason = said.partition(': ')
    need = replace(network.graph.need, per_pixel=MEMORY[name] * network.graph.need.per_pixel)
    model.compute_by(network, name, need, dtype, f'{kind}: {reason}; by {title}: {why}')
    if network.graph.routes:
        model.runtime_notes.append(
            f'{title} does not tell which experts pixels go to: they are not reported'
        )
