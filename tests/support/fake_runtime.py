"""Runtimes that are torch itself: as fast and as wrong as a test wants, on a clock of their own."""

from types import SimpleNamespace

import torch

from irbox.graphs.engines import TITLES
from irbox.graphs.given_context import GivenContext
from irbox.restore.memory_need import MemoryNeed
from irbox.restore.runtimes import choice, use_runtime
from irbox.restore.runtimes.kept_graph import KeptGraph
from irbox.restore.runtimes.probes import Probes

GRAPH = KeptGraph(b'a network', 2, MemoryNeed(1000.0, 10.0), False)


class FakeRuntimes:
    """Stands where installed runtimes would; torch takes a second.

    Attributes:
        costs: Runtime -> seconds; those that are not named are not installed.
        wrong: Runtime -> what is added to its answers, or a function that gives it.
        opened: The runtimes and precisions that were opened, in their order.
        timed: How often a network was run.
        exported: How often a network was exported.
    """

    def __init__(self, patch, network, **costs):
        self.network, self.costs, self.wrong = network, costs, {}
        self.opened, self.timed, self.exported, self.now = [], 0, 0, 0.0
        self.kept = []
        network.register_forward_hook(self._passed)
        patch.setattr(use_runtime, 'open_engine', self.open)
        patch.setattr(use_runtime, 'keep_graph', self.keep)
        patch.setattr(use_runtime, 'Probes', lambda *given: Probes(*given, clock=lambda: self.now))
        patch.setattr(use_runtime, 'TRIAL', (32, 32))
        patch.setattr(use_runtime, 'CHECK', (15, 18))
        patch.setattr(use_runtime, 'require', self.require)
        for module in (use_runtime, choice):
            patch.setattr(module, 'engine_version', self.version)

    def _passed(self, *_):
        self.timed += 1
        self.now += 1.0

    def version(self, name):
        return '1.0' if name in self.costs else None

    def require(self, name, package, needed_by):
        if name not in self.costs:
            raise ImportError(f'{needed_by} needs {name}. Install it with: pip install {package}')
        return SimpleNamespace()

    def keep(self, model, tell, anew=False):
        before = self.kept and not anew
        if not before:
            self.exported += 1
            self.kept = [GRAPH]
        return self.kept[0], bool(before)

    def open(self, name, content, dtype):
        assert content == GRAPH.content and name in TITLES
        self.opened.append((name, dtype))
        compute = GivenContext(self.network)

        @torch.inference_mode()
        def run(inputs):
            given = {key: torch.from_numpy(value) for key, value in inputs.items()}
            given['image'] = given.pop('input')
            self.now += self.costs[name]
            with torch.autocast('cpu', dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
                answer = compute(**given).float()
            wrong = self.wrong.get(name, 0)
            return (answer + (wrong() if callable(wrong) else wrong)).numpy()

        return run
