"""One style for all figures: colors for the color-blind, readable in gray, fonts inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irbox.utils.files import atomic_write
from irbox.utils.optional import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ('png', 'pdf', 'svg')
SEQUENTIAL = 'cividis'
"""Colors of maps. Differences take them as well: both ends of two-sided ones are dark in gray."""
STYLE: Any = {
    'font.size': 8,
    'axes.titlesize': 8,
    'axes.grid': False,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'legend.frameon': False,
    # TrueType, which publishers ask for, instead of outlines that cannot be searched.
    'pdf.fonttype': 42,
    # Outlines: the text looks the same where a font is missing.
    'svg.fonttype': 'path',
    'svg.hashsalt': 'irbox',
    'savefig.dpi': 150,
}
# Okabe and Ito (2008), in an order in which neighbors differ in lightness, too.
_COLORS = ('#0072B2', '#E69F00', '#000000', '#56B4E9', '#D55E00', '#CC79A7', '#009E73', '#F0E442')
_MARKERS = 'os^Dv<>PX*'
_HATCHES = ('', '///', '...', 'xxx', '\\\\\\', 'ooo', '++', '--', '**', '||')


@dataclass(frozen=True)
class Mark:
    """How one of several kinds is drawn, told apart without its color as well."""

    color: str
    marker: str
    hatch: str


def marks(labels: Sequence[str]) -> dict[str, Mark]:
    """Give each label its mark, the same for the same order.

    Examples:
        >>> found = marks(['haze', 'rain'])
        >>> found['haze'].marker != found['rain'].marker
        True
    """
    return {
        label: Mark(
            _COLORS[number % len(_COLORS)],
            _MARKERS[number % len(_MARKERS)],
            _HATCHES[number % len(_HATCHES)],
        )
        for number, label in enumerate(dict.fromkeys(labels))
    }


def legend_text(name: str) -> str:
    """Give a name as a legend takes it: matplotlib leaves out those that begin with ``_``."""
    return f' {name}' if name.startswith('_') else name


@contextmanager
def new_figure(width: float, height: float) -> Iterator[Figure]:
    """Make an empty figure of a size in inches; what is drawn inside has the style.

    Raises:
        ImportError: matplotlib is not installed.
    """
    matplotlib: Any = require('matplotlib', needed_by='A figure')
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        # Not pyplot, which would want a display and keep the figure for ever.
        figure = Figure(figsize=(width, height), layout='constrained')
        FigureCanvasAgg(figure)
        yield figure


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as ``stem.png``, ``stem.pdf`` and ``stem.svg``, without a date in them."""
    import matplotlib

    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_name(f'{stem.name}.{kind}') for kind in FORMATS]
    dates: dict[str, dict[str, Any]] = {'pdf': {'CreationDate': None}, 'svg': {'Date': None}}
    with matplotlib.rc_context(STYLE):
        for path, kind in zip(paths, FORMATS, strict=True):
            with atomic_write(path) as file:
                figure.savefig(file, format=kind, metadata=dates.get(kind))
    return paths


def show_image(axes: Any, image: Any, title: str = '') -> None:
    """Draw an image (3, H, W) in 0 to 1 without axes."""
    axes.imshow(image.detach().cpu().float().clamp(0, 1).permute(1, 2, 0).numpy())
    bare(axes, title)


def show_map(axes: Any, values: Any, title: str = '', limits: Any = (None, None)) -> Any:
    """Draw a map (H, W) in the colors of maps and give what a color bar needs."""
    low, high = limits
    values = values.numpy() if hasattr(values, 'numpy') else values
    drawn = axes.imshow(values, cmap=SEQUENTIAL, vmin=low, vmax=high, interpolation='nearest')
    bare(axes, title)
    return drawn


def bare(axes: Any, title: str = '') -> None:
    """Take ticks and frame away, and set a title."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if title:
        axes.set_title(title, fontsize=7)
