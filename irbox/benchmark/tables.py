"""What was measured, as tables for people."""

from __future__ import annotations

import statistics
from collections import Counter

from rich.table import Table

from irbox.benchmark.launches import Launches
from irbox.benchmark.measure import Comparison, Row
from irbox.benchmark.profile_network import Profile


def comparison_table(found: Comparison) -> Table:
    """Lay out the rows of one comparison."""
    table = Table(title=str(found.setting), title_justify='left', caption=_machine(found))
    table.add_column('build')
    for name in (
        'median s',
        'spread',
        'first is faster by',
        'share of the machine',
        'memory MiB',
        'prepared s',
        'largest difference',
        'over 1e-4',
    ):
        table.add_column(name, justify='right')
    for row in found.rows:
        if row.problem is not None:
            table.add_row(row.variant, f'not run: {row.problem}')
        else:
            table.add_row(row.variant, *_cells(found, row))
    return table


def spread(seconds: list[float]) -> float:
    """Give half the distance of the quartiles, over the median."""
    if len(seconds) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(seconds, n=4, method='inclusive')
    return (high - low) / 2 / middle


def _cells(found: Comparison, row: Row) -> list[str]:
    seconds, share = found.seconds(row), found.share(row)
    return [
        f'{statistics.median(seconds):.4g}',
        f'{spread(seconds):.1%}',
        f'{found.ratio(row):.2f}',
        '' if share is None else f'{share:.1%}',
        f'{row.extra / 2**20:.0f}' if row.peak else '',
        f'{row.prepared:.1f}' if row.prepared > 0.1 else '',
        '' if row.difference is None else f'{row.difference:.1e}',
        '' if row.share_off is None else f'{row.share_off:.2%}',
    ]


def _machine(found: Comparison) -> str:
    rates = [
        f'{name} {rate:.0f} Gflop/s' if name != 'copy' else f'copies {rate:.1f} GB/s'
        for name, rate in sorted(found.machine.items(), reverse=True)
    ]
    return (
        f'{found.parameters / 1e6:.2f} M parameters, {found.macs / 1e9:.1f} GMACs; this machine: '
        f'{", ".join(rates)}; seconds of the {"clock" if found.clock == "wall" else "processor"}'
    )


def launches_table(found: dict[str, Launches], most: int = 12) -> Table:
    """Lay out launches and bytes; the last build is what shares are of."""
    names = list(found)
    base = found[names[-1]]
    table = Table('', *names)
    table.add_row('launches', *(f'{one.count:,}' for one in found.values()))
    table.add_row('share', *(f'{one.count / base.count:.1%}' for one in found.values()))
    table.add_row('MB read', *(f'{one.read / 1e6:,.0f}' for one in found.values()))
    table.add_row('MB written', *(f'{one.written / 1e6:,.0f}' for one in found.values()))
    moved = {name: one.read + one.written for name, one in found.items()}
    table.add_row('share', *(f'{moved[n] / moved[names[-1]]:.1%}' for n in names))
    table.add_row('MB held', *(f'{one.held / 1e6:,.0f}' for one in found.values()))
    held = {name: one.held / found[names[-1]].held for name, one in found.items()}
    table.add_row('share', *(f'{share:.1%}' for share in held.values()), end_section=True)
    together: Counter[str] = sum((one.by_name for one in found.values()), Counter())
    for name, _ in together.most_common(most):
        table.add_row(name, *(f'{one.by_name[name]:,}' for one in found.values()))
    return table


def profile_table(found: Profile, most: int = 12) -> Table:
    """Lay out where the time goes."""
    table = Table('', 'ms', 'share')
    table.add_row('forward pass', f'{1000 * found.total:.1f}', '', end_section=True)
    parts = (found.places, found.layers, found.kinds, found.operators)
    names = ('place', 'layer, without what is in it', 'kind of operation', 'operator')
    for name, counted in zip(names, parts, strict=True):
        table.add_row(f'[bold]{name}', '', '')
        whole = sum(counted.values()) or 1
        # Places hold all; the others are cut short.
        shown = list(counted.items()) if counted is found.places else counted.most_common(most)
        for part, seconds in shown:
            table.add_row(f'  {part}', f'{1000 * seconds:.1f}', f'{seconds / whole:.1%}')
        table.add_section()
    return table
