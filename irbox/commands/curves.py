"""``irbox curves``: what trainings logged, over each other."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = (
    'Plot what trainings logged over each other, from their own files: no service is asked. Writes '
    'the figure (PNG, PDF, SVG), the numbers (CSV, JSON) and provenance.json.'
)
EXAMPLES = """examples:
  irbox curves work_dirs/a work_dirs/b
  irbox curves work_dirs/a --keys loss 'loss_*' mean/psnr --smooth 0.6
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('runs', nargs='+', type=Path, metavar='RUN', help='work dirs of trainings')
    parser.add_argument(
        '--keys',
        nargs='+',
        default=[],
        help="what to plot; 'loss_*' for all that begin so (default: loss, lr, grad_norm, "
        'mean/psnr)',
    )
    parser.add_argument(
        '--smooth',
        type=float,
        default=0.0,
        help='how much of what was before is kept of losses and norms of the gradient, 0 to 1 '
        '(default: 0)',
    )
    parser.add_argument(
        '--out', type=Path, help='folder to write into (default: work_dirs/analyses/curves)'
    )


def run(args: argparse.Namespace) -> None:
    """Read, plot, say where it is."""
    if not 0 <= args.smooth < 1:
        raise ValueError(f'--smooth {args.smooth}: give a number of at least 0 and below 1.')

    from irbox.analysis.curves import analyze, logs_of, read_run
    from irbox.analysis.output import Output, digests
    from irbox.engine.environment import describe_environment
    from irbox.utils.console import console

    runs = {
        path.name if _alone(path, args.runs) else str(path): read_run(path) for path in args.runs
    }
    folder = args.out or Path('work_dirs/analyses/curves')
    logs = [log for path in args.runs for log in logs_of(path)]
    origin = {'runs': [str(path) for path in args.runs], 'inputs': digests(logs)}
    output = Output(folder, 'curves', origin)
    drawn = analyze(runs, output, args.keys, args.smooth)
    output.finish(describe_environment())
    console().print(f'{", ".join(drawn)} of {len(runs)} runs: {folder}')


def _alone(path: Path, others: list[Path]) -> bool:
    return [other.name for other in others].count(path.name) == 1
