"""A network in ONNX, exported once and kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import irbox
from irbox.graphs.given_context import context_inputs
from irbox.graphs.onnx_file import to_onnx
from irbox.graphs.trace import smallest_side, trace_given_context
from irbox.restore.memory_need import MemoryNeed, measure_need
from irbox.restore.restoration_model import RestorationModel
from irbox.structures import Context
from irbox.utils.download import cache_folder
from irbox.utils.files import atomic_write
from irbox.utils.optional import require


@dataclass(frozen=True)
class KeptGraph:
    """A network in ONNX that takes an image and what is known of it, and what to know of that."""

    content: bytes
    smallest: int
    """Side of the smallest image that it takes, in pixels."""
    need: MemoryNeed
    """Of the graph as torch runs it: whole maps, and every expert."""
    routes: bool
    """Whether experts are chosen inside, of which nothing is heard outside."""

    def write(self, path: Path) -> None:
        """Write a file of a line of JSON and the network, whole or not at all."""
        header = {
            'sha256': hashlib.sha256(self.content).hexdigest(),
            'smallest': self.smallest,
            'memory': [self.need.fixed, self.need.per_pixel],
            'routes': self.routes,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(json.dumps(header).encode() + b'\n')
            file.write(self.content)

    @classmethod
    def read(cls, path: Path) -> KeptGraph | None:
        """Read what ``write`` wrote; None where there is no such file, or it is damaged."""
        try:
            with open(path, 'rb') as file:
                header = json.loads(file.readline())
                content = file.read()
            if hashlib.sha256(content).hexdigest() != header['sha256']:
                return None
            fixed, per_pixel = map(float, header['memory'])
            need = MemoryNeed(fixed, per_pixel)
            return cls(content, int(header['smallest']), need, bool(header['routes']))
        except (OSError, ValueError, KeyError, TypeError):
            return None


def kept_path(model: RestorationModel, suffix: str) -> Path:
    """Name the file of a network: by its weights, its config and what translates it."""
    parts = {
        'weights': model.digest,
        'network': (model.config.get('model') or {}).get('network'),
        'irbox': irbox.__version__,
        'torch': torch.__version__,
    }
    key = hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()
    return cache_folder() / 'runtimes' / f'{key[:32]}{suffix}'


def keep_graph(
    model: RestorationModel, tell: Callable[[str], None], anew: bool = False
) -> tuple[KeptGraph, bool]:
    """Give a model's network in ONNX, exported where it was not before.

    Args:
        model: On the CPU.
        tell: Told where it takes a while.
        anew: Export it whatever is kept.

    Returns:
        The network, and whether it was kept from before.

    Raises:
        ValueError: It cannot be exported.
        ImportError: A package for exporting is not installed.
    """
    path = kept_path(model, '.graph')
    kept = None if anew else KeptGraph.read(path)
    if kept is not None:
        return kept, True
    for module in ('onnx', 'onnxscript'):
        require(module, package="'irbox[export]'", needed_by='Another runtime than torch')
    tell(f'{model.name}: exporting the network, once. This may take minutes.')
    made = _export(model)
    try:
        made.write(path)
    except OSError as error:
        tell(f'{model.name}: the next start exports it again: {error}.')
    return made, False


@torch.inference_mode(False)
def _export(model: RestorationModel) -> KeptGraph:
    program = trace_given_context(model.network)
    module, smallest = program.module(), smallest_side(program)
    cpu = torch.device('cpu')

    def run(image: Tensor, context: Context) -> Tensor:
        answer: Tensor = module(image=image, **beliefs)
        return answer

    network: Any = model.network
    with torch.no_grad():
        side = max(64, smallest)
        context = network.describe(torch.zeros(1, 3, side, side))
        beliefs = context_inputs(context)
        network(context.image, context)
        need = measure_need(run, Context(context.image), cpu, torch.float32, smallest)
    content = to_onnx(program, {}).SerializeToString()
    return KeptGraph(content, smallest, need, bool(context.routings))
