"""The table of a sweep as a picture."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from irbox.sweeps.findings import Findings
from irbox.utils.files import atomic_write
from irbox.utils.optional import require


def plot(path: Path, findings: Findings) -> None:
    """Draw each row's mean score: a dot per seed, a bar for the spread, what was published beside.

    Args:
        path: A name that ends in ``.png``.
        findings: With at least one finished run.

    Raises:
        ImportError: matplotlib is not installed.
    """
    require('matplotlib', needed_by='The plot of a sweep')
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = list(findings.rows)
    published = [finding.row.published.get('psnr') for finding in rows]
    panels = 2 if any(value is not None for value in published) else 1
    # Not pyplot, which would want a display and keep the figure for ever.
    figure = Figure(figsize=(4.5 + 3.5 * panels, 1.4 + 0.35 * len(rows)), layout='constrained')
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(1, panels, sharey=True, squeeze=False)[0]
    task, score = findings.tasks[-1], findings.sweep.score
    for height, finding in enumerate(rows):
        values = finding.values(task, score)
        if values:
            deviation = statistics.stdev(values) if len(values) > 1 else 0
            axes[0].errorbar(statistics.fmean(values), height, xerr=deviation, fmt='o', color='C0')
            axes[0].plot(values, [height] * len(values), '|', color='C0', alpha=0.6)
        if published[height] is not None:
            axes[1].plot(published[height], height, 's', color='C1')
    what = 'mean gain in dB' if score == 'gain' else 'mean PSNR in dB'
    axes[0].set(xlabel=f'{what}, measured' + (f' ({findings.base})' if findings.base else ''))
    if panels == 2:
        axes[1].set(xlabel='PSNR in dB, published')
    axes[0].set_yticks(range(len(rows)), [finding.row.label for finding in rows])
    axes[0].invert_yaxis()
    for axis in axes:
        axis.grid(axis='x', alpha=0.3)
    figure.suptitle(findings.sweep.title)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        figure.savefig(file, format='png', dpi=120)
