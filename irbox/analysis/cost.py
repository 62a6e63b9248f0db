"""What networks cost, in the columns of the papers' tables (M2IR, XIII; M2Restore, III)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from irbox.analysis.cost_figure import draw_costs, three_digits
from irbox.analysis.count_macs import count_macs, sparse_share
from irbox.analysis.network_table import places_of, without_prior
from irbox.analysis.output import Output
from irbox.analysis.published_costs import PublishedCosts


@dataclass
class Cost:
    """What was counted and measured of one network."""

    method: str
    parameters: int
    """Without the prior, frozen ones included."""
    prior_parameters: int
    """All of the pretrained model that the prior keeps a part of."""
    papers: int
    """Multiply-accumulates in the papers' convention, every expert on every pixel, no prior."""
    selected: int
    """The same with the experts that each pixel visits."""
    exact: int
    """With attention's products and the scan, every expert on every pixel, no prior."""
    prior_exact: int
    """Of the prior, which runs once per image."""
    seconds: list[float] = field(default_factory=list)
    """Of each run after the first; empty where nothing was run."""
    process_bytes: int = 0
    """At the process's peak."""
    device_bytes: int = 0
    """At the accelerator's peak; 0 on a CPU, where all is the process's."""
    problem: str = ''
    """Why it did not run."""
    prior_papers: int = 0
    """Multiply-accumulates of the prior in the papers' convention."""

    def row(self) -> dict[str, Any]:
        """Give it in the papers' units."""
        quarters = statistics.quantiles(self.seconds, n=4) if len(self.seconds) > 1 else [None] * 3
        return {
            'method': self.method,
            'source': 'measured',
            'parameters_M': self.parameters / 1e6,
            'parameters_with_prior_M': (self.parameters + self.prior_parameters) / 1e6,
            'papers_GMACs': self.papers / 1e9,
            'papers_with_prior_GMACs': (self.papers + self.prior_papers) / 1e9,
            'papers_selected_GMACs': self.selected / 1e9,
            'exact_GMACs': self.exact / 1e9,
            'exact_with_prior_GMACs': (self.exact + self.prior_exact) / 1e9,
            'latency_ms': 1e3 * statistics.median(self.seconds) if self.seconds else None,
            'latency_first_quarter_ms': 1e3 * quarters[0] if quarters[0] else None,
            'latency_third_quarter_ms': 1e3 * quarters[2] if quarters[2] else None,
            'runs': len(self.seconds),
            'process_MB': self.process_bytes / 1e6 or None,
            'device_MB': self.device_bytes / 1e6 or None,
            'problem': self.problem,
        }


def count(method: str, network: nn.Module, width: int, height: int) -> Cost:
    """Count parameters and multiply-accumulates of restoring one image.

    Args:
        method: Its name.
        network: On any device; on the meta device it costs no time.
        width: Of the image.
        height: Of the image.
    """
    network = network.eval()
    with torch.no_grad():
        macs = count_macs(network, height, width)
        exact = count_macs(network, height, width, 'exact')
    sizes = {name: weight.numel() for name, weight in network.named_parameters()}
    prior: Any = places_of(network).get('prior')
    own = without_prior(network, sizes)
    return Cost(
        method,
        own,
        int(getattr(prior, 'total_parameters', None) or sum(sizes.values()) - own),
        without_prior(network, macs),
        without_prior(network, sparse_share(network, macs)),
        without_prior(network, exact),
        exact.total() - without_prior(network, exact),
        prior_papers=macs.total() - without_prior(network, macs),
    )


WITH_PRIOR = {
    'parameters_M': 'parameters_with_prior_M',
    'papers_GMACs': 'papers_with_prior_GMACs',
}


def published_rows(table: PublishedCosts) -> list[dict[str, Any]]:
    """Give the rows of a paper under our columns, marked as published."""
    source = f'as published ({table.label}; {table.setting})'
    found = []
    for method, *numbers in table.rows:
        moved = WITH_PRIOR if method in table.with_prior else {}
        columns = [moved.get(column, column) for column in table.columns]
        found.append(
            {'method': method, 'source': source} | dict(zip(columns, numbers, strict=True))
        )
    return found


def analyze(
    costs: Sequence[Cost], published: Sequence[PublishedCosts], output: Output, setting: str = ''
) -> str:
    """Write the table and draw it.

    Args:
        costs: One or more.
        published: Tables whose rows stand beside ours.
        output: Where everything is written.
        setting: Size, machine and the like of what was measured, for the figure.

    Returns:
        The table as Markdown.
    """
    rows = [cost.row() for cost in costs]
    theirs = [row for table in published for row in published_rows(table)]
    output.rows([*rows, *theirs], 'cost')
    output.numbers(
        {'setting': setting}
        | {'measured': [row | {'seconds': c.seconds} for row, c in zip(rows, costs, strict=True)]}
        | {'published': theirs},
        'cost',
    )
    draw_costs([*rows, *theirs], COLUMNS, setting, output)
    text = _markdown([*rows, *theirs])
    output.text(text, 'cost.md')
    return text


COLUMNS = {
    'parameters_M': 'M parameters',
    'parameters_with_prior_M': 'M parameters with prior',
    'papers_GMACs': "GMACs, papers' count",
    'papers_with_prior_GMACs': "GMACs, papers' count, with prior",
    'papers_selected_GMACs': "GMACs, papers' count, selected experts",
    'exact_GMACs': 'GMACs, exact',
    'latency_ms': 'ms, median',
    'process_MB': 'MB, process',
    'device_MB': 'MB, device',
}


def _markdown(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        f'| method | source | {" | ".join(COLUMNS.values())} |',
        f'| --- | --- |{" ---: |" * len(COLUMNS)}',
    ]
    for row in rows:
        cells = [_cell(row, key) for key in COLUMNS]
        lines.append(f'| {row["method"]} | {row["source"]} | {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def _cell(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if value is None:
        return ''
    text = three_digits(value)
    low, high = (row.get(f'latency_{which}_quarter_ms') for which in ('first', 'third'))
    if key == 'latency_ms' and low is not None and high is not None:
        text += f' ({low:.0f} to {high:.0f})'
    return text
