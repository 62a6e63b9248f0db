"""What is compared with what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

Build = Literal['ours', 'textbook', 'against']
Runtime = Literal['eager', 'captured', 'compiled', 'exported', 'onnxruntime', 'openvino']
Task = Literal['forward', 'train']


@dataclass(frozen=True)
class Setting:
    """What all variants of one comparison share."""

    config: str
    width: int
    height: int
    batch: int
    threads: int
    precision: Literal['fp32', 'bf16']
    device: str
    task: Task

    def __str__(self) -> str:
        return (
            f'{self.config}, {self.task}, {self.batch} x {self.width}x{self.height}, '
            f'{self.precision}, {self.device}, threads: {self.threads}'
        )


@dataclass(frozen=True)
class Variant:
    """One of the builds that are compared, and how it runs."""

    build: Build
    runtime: Runtime = 'eager'
    checkout: str | None = None
    """The folder of another checkout, for ``against``."""
    operator_scan: bool = True
    """Whether a textbook build uses the package's selective scan, see ``textbook``."""

    keep_memory: bool = False
    """Whether freed memory stays with the process, see ``irbox.utils.keep_memory``."""

    @property
    def name(self) -> str:
        """Name it in tables."""
        build = self.checkout if self.build == 'against' and self.checkout else self.build
        loop = ', scan in a loop' if self.build == 'textbook' and not self.operator_scan else ''
        kept = ', memory kept' if self.keep_memory else ''
        return f'{build}{loop}{kept}' + (f' {self.runtime}' if self.runtime != 'eager' else '')


def settings(
    configs: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    batches: Sequence[int],
    threads: Sequence[int],
    precisions: Sequence[Literal['fp32', 'bf16']],
    devices: Sequence[str],
    tasks: Sequence[Task],
) -> Iterator[Setting]:
    """Give every combination, the last argument changing fastest.

    Examples:
        >>> found = settings(['a.py'], [(64, 32)], [1], [1, 2], ['fp32'], ['cpu'], ['forward'])
        >>> [setting.threads for setting in found]
        [1, 2]
    """
    for config, size, *rest in product(
        configs, sizes, batches, threads, precisions, devices, tasks
    ):
        # Any: a product of lists of several types.
        others: Any = rest
        yield Setting(config, *size, *others)


def variants(
    modes: Sequence[Runtime],
    textbook: bool,
    against: Sequence[str],
    runtimes: Sequence[Runtime],
    operator_scan: bool = True,
    keep_memory: bool = False,
) -> list[Variant]:
    """List what each setting compares.

    Args:
        modes: How ours runs.
        textbook: Add the textbook build, eager.
        against: Other checkouts, each added eager.
        runtimes: Other runtimes, each given the exported textbook build.
        operator_scan: See ``Variant``.
        keep_memory: Add ours once more, with freed memory kept.
    """
    found = [Variant('ours', mode) for mode in modes]
    if keep_memory:
        found.append(Variant('ours', modes[0], keep_memory=True))
    if textbook:
        found.append(Variant('textbook', operator_scan=operator_scan))
    found += [Variant('against', checkout=path) for path in against]
    found += [Variant('textbook', runtime, operator_scan=operator_scan) for runtime in runtimes]
    return found
