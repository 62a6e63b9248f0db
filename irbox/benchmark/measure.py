"""Variants taken in turn, so that a busy moment hits all alike."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from irbox.benchmark.cases import Setting, Variant
from irbox.benchmark.networks import Described, count_work, save_weights
from irbox.benchmark.process import HERE, Here, NotRunError, Process

Say = Callable[[str], None]


@dataclass
class Row:
    """What was measured of one variant."""

    variant: str
    wall: list[float] = field(default_factory=list)
    """Seconds of the clock, a run each."""
    cpu: list[float] = field(default_factory=list)
    """Seconds of the processor."""
    peak: int = 0
    """Bytes of the process at its peak (accelerators: of the device)."""
    extra: int = 0
    """The part of ``peak`` that came after the weights."""
    prepared: float = 0
    """Seconds of compiling or exporting."""
    difference: float | None = None
    """Largest difference from the first answer over that answer's deviation."""
    share_off: float | None = None
    """Share of the values that differ by more than 1e-4 of the deviation: of routed pixels few."""
    problem: str | None = None
    """Why it did not run, or not to the end: then it has no times."""


@dataclass
class Kept:
    """What a setting on an accelerator leaves to the next: a start takes longer than either."""

    folder: Path
    processes: dict[str, Here] = field(default_factory=dict)
    """By variant."""
    network: dict[str, Any] | None = None
    """Whose weights are in the folder."""
    parameters: int = 0
    work: dict[Any, int] = field(default_factory=dict)
    """Multiply-accumulates by network and size."""


@dataclass
class Comparison:
    """The rows of one setting, and what the machine can do."""

    setting: Setting
    rows: list[Row]
    clock: str
    macs: int = 0
    """Multiply-accumulates of the forward pass, the whole batch."""
    parameters: int = 0
    machine: dict[str, float] = field(default_factory=dict)
    """Gflop/s of square products by precision, GB/s of a copy; the best of all rounds."""
    notes: list[str] = field(default_factory=list)

    def seconds(self, row: Row) -> list[float]:
        """Give a row's times by the chosen clock."""
        return row.wall if self.clock == 'wall' else row.cpu

    @property
    def first(self) -> Row | None:
        """Give the row that others are compared with: the first that ran; None if none did."""
        return next((row for row in self.rows if row.problem is None), None)

    def ratio(self, row: Row) -> float:
        """Tell how many times as long a row takes as the first that ran, by medians."""
        base = self.first
        assert base is not None
        return statistics.median(self.seconds(row)) / statistics.median(self.seconds(base))

    def share(self, row: Row) -> float | None:
        """Give the share of the machine's rate of products that a forward pass reaches."""
        rate = self.machine.get(self.setting.precision)
        if not rate or not self.macs or self.setting.task != 'forward':
            return None
        return 2 * self.macs / statistics.median(self.seconds(row)) / 1e9 / rate

    def as_dict(self) -> dict[str, Any]:
        """Give everything for a file."""
        return asdict(self)


def compare(
    setting: Setting,
    variants: Sequence[Variant],
    described: Described,
    rounds: int = 5,
    clock: str = 'wall',
    product_side: int | None = None,
    say: Say = print,
    kept: Kept | None = None,
) -> Comparison:
    """Build every variant with the same weights, and run them in turn.

    On a CPU each is a process of its own; on an accelerator those of this checkout share this one.

    Args:
        setting: What they share.
        variants: The first that runs is what the others are compared with.
        described: The network.
        rounds: Runs of each that count; one more warms up.
        clock: ``'wall'`` or ``'cpu'``, which is steadier where others use the machine.
        product_side: Of the square matrices that the machine is measured with; by default 1024, or
            8192 on an accelerator, which smaller ones do not keep busy.
        say: Told what is going on.
        kept: What earlier settings left, on an accelerator; more is added.
    """
    rows = [Row(variant.name) for variant in variants]
    found = Comparison(setting, rows, clock, notes=list(described.notes))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        here = setting.device != 'cpu'
        kept = kept if kept is not None and here else Kept(folder)
        if kept.network != described.network:
            kept.parameters = save_weights(described, kept.folder / 'weights.npz')
            kept.network = described.network
        size = str(described.network), setting.height, setting.width
        if size not in kept.work:
            kept.work[size] = count_work(described, *size[1:])
        found.parameters, found.macs = kept.parameters, setting.batch * kept.work[size]
        side = product_side or (8192 if here else 1024)
        machine = Here() if here else stack.enter_context(Process(threads=setting.threads))
        running: list[tuple[Row, Process | Here]] = []
        for variant, row in zip(variants, rows, strict=True):
            say(f'{setting}: {row.variant}')
            try:
                process: Process | Here
                if here and variant.checkout is None:
                    process = kept.processes.setdefault(variant.name, Here())
                else:
                    process = stack.enter_context(Process(variant.checkout, setting.threads))
                row.prepared = _build(process, setting, variant, described, kept.folder)
                row.difference, row.share_off = _difference(process, folder, not running)
                running.append((row, process))
            except NotRunError as error:
                row.problem = str(error)
        for number in range(rounds + 1):
            _measure_machine(machine, found, side)
            # There and back, so that none always comes after the same neighbour.
            for row, process in running[:] if number % 2 else running[::-1]:
                try:
                    passed = process.ask('time')
                except NotRunError as error:  # memory that does not suffice, most of all
                    row.problem, row.wall, row.cpu = str(error), [], []
                    running.remove((row, process))
                    process.close()  # what it holds may be what the others need
                    continue
                if number:
                    row.wall.append(passed['wall'])
                    row.cpu.append(passed['cpu'])
        for row, process in running:
            held = process.ask('memory')
            row.peak, row.extra = held['peak'], held['extra']
    return found


def _build(
    process: Process | Here, setting: Setting, variant: Variant, described: Described, folder: Path
) -> float:
    plugins = [_plugin_of(variant, plugin) for plugin in described.plugins]
    request = {**asdict(setting), **asdict(variant), 'network': described.network}
    weights = str(folder / 'weights.npz')
    answer = process.ask('build', **request, plugins=plugins, weights=weights)
    return float(answer['seconds'])


def _plugin_of(variant: Variant, plugin: str) -> str:
    """Find a plug-in of this checkout in the other."""
    path = Path(plugin)
    if variant.checkout is not None and path.is_relative_to(HERE):
        return str(Path(variant.checkout).resolve() / path.relative_to(HERE))
    return plugin


def _difference(
    process: Process | Here, folder: Path, first: bool
) -> tuple[float | None, float | None]:
    path = folder / ('first.npy' if first else 'answer.npy')
    process.ask('output', path=str(path))
    if first:
        return None, None
    expected, answer = (np.load(folder / f'{name}.npy') for name in ('first', 'answer'))
    away = np.abs(answer - expected) / expected.std()
    return float(away.max()), float((away > 1e-4).mean())


def _measure_machine(machine: Process | Here, found: Comparison, side: int) -> None:
    setting = found.setting
    measured = machine.ask(
        'machine',
        threads=setting.threads,
        device=setting.device,
        precisions=list({'fp32', setting.precision}),
        side=side,
        clock=found.clock,
    )
    for name, rate in measured.items():
        found.machine[name] = max(rate, found.machine.get(name, 0))
