"""What was measured, as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from irbox.benchmark.measure import Comparison
from irbox.utils.files import atomic_write
from irbox.utils.optional import require


def plot(path: Path, comparisons: Sequence[Comparison]) -> None:
    """Draw a panel for each setting: a bar for each build, a dot for each run.

    Args:
        path: A name that ends in ``.png``.
        comparisons: One or more.

    Raises:
        ImportError: matplotlib is not installed.
    """
    require('matplotlib', needed_by='The plot of a benchmark')
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = max(len(found.rows) for found in comparisons)
    # Not pyplot, which would want a display and keep the figure for ever.
    figure = Figure(figsize=(8, (0.9 + 0.4 * rows) * len(comparisons)), layout='constrained')
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(len(comparisons), 1, squeeze=False)[:, 0]
    for axes, found in zip(panels, comparisons, strict=True):
        ran = [row for row in found.rows if row.problem is None]
        for height, row in enumerate(ran):
            seconds = found.seconds(row)
            middle = statistics.median(seconds)
            axes.barh(height, middle, color='C0' if row is found.first else 'C7', alpha=0.7)
            axes.plot(seconds, [height] * len(seconds), '|', color='black')
            axes.text(max(seconds), height, f'  {middle:.3g} s', va='center')
        axes.set_yticks(range(len(ran)), [row.variant for row in ran])
        axes.invert_yaxis()
        axes.set_title(str(found.setting), fontsize='small', loc='left')
        axes.margins(x=0.12)
    panels[-1].set_xlabel('seconds, medians')
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        figure.savefig(file, format='png', dpi=120)
