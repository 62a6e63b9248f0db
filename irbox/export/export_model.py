"""A model as a file for other programs, checked before it has its name."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any, Literal

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from irbox.engine.checkpoint import frozen_records
from irbox.export.darktable import write_package
from irbox.graphs.agreement import (
    LIMIT,
    SIZES,
    Agreement,
    compare,
    onnx_engines,
    torch_engine,
)
from irbox.graphs.engines import Arrays, Engine
from irbox.graphs.onnx_file import halve_weights, require_packages, to_onnx
from irbox.graphs.trace import example, given, smallest_side, trace
from irbox.restore.exported_facts import ExportedFacts
from irbox.restore.memory_need import measure_need
from irbox.restore.restoration_model import RestorationModel
from irbox.structures import Context, DegradationPrior
from irbox.utils.files import atomic_write, check_writable

SUFFIXES = ('.onnx', '.pt2', '.dtmodel')
PriorPlace = Literal['auto', 'inside', 'input']
DataType = Literal['float32', 'float16']


def export_model(
    model: RestorationModel,
    path: str | Path,
    prior: PriorPlace = 'auto',
    dtype: DataType = 'float32',
    sizes: Iterable[tuple[int, int]] = SIZES,
    told: Callable[[Agreement], None] | None = None,
) -> list[Agreement]:
    """Write a model as a file that other programs run, if it does there what it does here.

    Args:
        model: On the CPU, in float32.
        path: Ending in ``.onnx``, ``.pt2`` (torch) or ``.dtmodel`` (darktable).
        prior: ``'inside'``, or ``'input'``: the file takes what a prior says beside the image.
            ``'auto'`` is inside but for priors with a file of their own, which other programs have
            to run themselves (DA-CLIP).
        dtype: Of the weights in the file; the network computes in float32. ``'float16'`` rounds
            them.
        sizes: Width and height of the images that it is checked on.
        told: Called with each comparison.

    Returns:
        The comparisons.

    Raises:
        ValueError: The name ends otherwise, the network cannot be exported, or the file's answer
            differs from the network's by more than ``LIMIT``: nothing is written then.
        ImportError: A package for the format is missing.
    """
    path = Path(path).expanduser()
    check_name(path)
    if path.suffix != '.pt2':
        require_packages()
    network = model.network if dtype == 'float32' else rounded(model.network)
    as_input = _prior_is_input(network, prior)
    if as_input and path.suffix == '.dtmodel':
        raise ValueError(
            f'{path}: darktable gives a picture and nothing else, but a prior is asked.'
        )
    for_darktable = path.suffix == '.dtmodel'
    program = trace(network, given_prior=as_input, batch=not for_darktable, clip=for_darktable)
    more = _beliefs(network) if as_input else {}
    facts = _facts(model, program, as_input, more, dtype).as_metadata()
    found = []
    with atomic_write(path) as file:
        engines = _write(file, path.suffix, program, facts, model, dtype)
        reference = torch_engine(_reference(network, as_input, for_darktable))
        for one in compare(reference, engines, more, sizes):
            found.append(one)
            if told is not None:
                told(one)
        worst = max(found, key=lambda one: one.difference)
        if not worst.difference <= LIMIT:
            width, height = worst.size
            raise ValueError(
                f'{path} was not written: in {worst.engine} its answer to {worst.image} of '
                f'{width}x{height} differs from torch by {worst.difference:.2g} of the deviation, '
                f'more than {LIMIT:g}.'
            )
    return found


def check_name(path: Path) -> None:
    """Refuse a file that cannot be written, before anything is computed.

    Raises:
        ValueError: Its name has another ending.
        PermissionError: Its folder cannot be written to.
        FileNotFoundError: Its folder is not there.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(
            f'{path}: a network is exported to a name ending in {", ".join(SUFFIXES)}.'
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f'{path}: there is no folder {path.parent}.')
    check_writable(path.parent)


def rounded(network: nn.Module) -> nn.Module:
    """Copy a network with weights that half precision holds, in float32.

    Raises:
        ValueError: A weight leaves its range.
    """
    copied = copy.deepcopy(network)
    for name, weight in copied.named_parameters():
        weight.data = weight.data.half().float()
        if not weight.isfinite().all():
            raise ValueError(f'{name} leaves the range of float16. Export the model in float32.')
    return copied


def _prior_is_input(network: Any, prior: PriorPlace) -> bool:
    if prior != 'auto':
        return prior == 'input'
    return any(name.split('.')[0] == 'prior' for name in frozen_records(network))


def _facts(
    model: RestorationModel,
    program: ExportedProgram,
    as_input: bool,
    more: Arrays,
    dtype: DataType,
) -> ExportedFacts:
    config, module, smallest = model.config, program.module(), smallest_side(program)
    beliefs = {name: torch.from_numpy(one) for name, one in more.items()}
    # What other programs hold is like the graph's run in torch: whole maps, and every expert.

    def run(image: Tensor, context: Context) -> Tensor:
        answer: Tensor = module(image=image, **beliefs)
        return answer

    context, cpu = Context(torch.zeros(1, 3, 1, 1)), torch.device('cpu')
    need = measure_need(run, context, cpu, torch.float32, smallest)
    return ExportedFacts(
        model.card,
        {
            'model': {'network': config['model']['network']},
            'plugins': [str(one) for one in config.get('plugins') or ()],
        },
        model.multiple,
        smallest,
        need,
        model.parameters,
        as_input,
        dtype,
    )


def _beliefs(network: nn.Module) -> dict[str, Any]:
    """What some prior might say of one image, for the check."""
    inputs = example(network, images=1, given_prior=True)
    return {name: value.numpy() for name, value in inputs.items() if name != 'image'}


def _reference(network: Any, as_input: bool, clip: bool) -> Callable[..., Tensor]:
    """The network itself, without what an export puts around it."""

    def run(image: Tensor, **beliefs: Tensor) -> Tensor:
        with given(network) if as_input else nullcontext():
            if as_input:
                network.prior.belief = DegradationPrior(**beliefs)
            answer: Tensor = network(image)
        return answer.clamp(0, 1) if clip else answer

    return run


def _write(
    file: IO[bytes],
    suffix: str,
    program: ExportedProgram,
    facts: dict[str, str],
    model: RestorationModel,
    dtype: DataType,
) -> dict[str, Engine]:
    """Write the file; what is given runs what was written."""
    if suffix == '.pt2':
        with warnings.catch_warnings():
            # That weights on several devices would be a problem.
            warnings.simplefilter('ignore')
            torch.export.save(program, file, extra_files=facts)
        file.flush()
        with open(file.name, 'rb') as written:
            loaded = torch.export.load(written).module()
        return {'torch.export': torch_engine(loaded)}
    translated = to_onnx(program, facts)
    if dtype == 'float16':
        halve_weights(translated)
    graph: bytes = translated.SerializeToString()
    if suffix == '.onnx':
        file.write(graph)
        file.flush()
        return onnx_engines(file.name)
    write_package(file, graph, model.card)
    file.flush()
    return onnx_engines(graph)
