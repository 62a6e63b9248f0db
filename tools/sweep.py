"""Train the rows of a table and write it, as Markdown, CSV and a plot.

Rows that are finished are not trained again, one that was interrupted goes on, so the same command
resumes. A row that fails is reported and the others go on; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from irbox.config.command_line import add_config_options, run_tool

if TYPE_CHECKING:
    from irbox.sweeps import Run

TOOLS = Path(__file__).resolve().parent


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('sweep', type=Path, help='a YAML file with rows, see docs/ablations.md')
    parser.add_argument('--base', help='what the rows change: a name in the sweep, or a config')
    parser.add_argument('--rows', nargs='+', metavar='NAME', help='only these')
    parser.add_argument('--seeds', nargs='+', type=int, help="in place of the sweep's")
    parser.add_argument('--jobs', type=int, help='runs at a time; one, or one per GPU')
    parser.add_argument('--gpus', default='', metavar='0,1', help='GPUs, dealt out to the jobs')
    parser.add_argument(
        '--work-dir', type=Path, help='a folder per run; work_dirs/sweeps/FOLDER_BASE by default'
    )
    parser.add_argument(
        '--out',
        type=Path,
        metavar='FILE.md',
        help='the table; a .csv and a .png go beside it. In the work dir by default',
    )
    parser.add_argument(
        '--size', default='720x480', metavar='WxH', help='that costs are counted for'
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='show the rows and what they change, train nothing'
    )
    add_config_options(parser)
    args = parser.parse_args(arguments)
    if args.jobs is not None and args.jobs < 1:
        parser.error(f'--jobs {args.jobs}: must be 1 or more')
    try:
        args.size = tuple(int(side) for side in args.size.split('x', 1))
        if len(args.size) != 2 or min(args.size) < 1:
            raise ValueError
    except ValueError:
        parser.error(f'--size {args.size}: write WIDTHxHEIGHT, such as 720x480')
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a sweep."""
    args = parse(arguments)
    from rich.console import Console

    from irbox.sweeps import (
        Campaign,
        check_gpus,
        check_marks,
        check_seeds,
        environments,
        read_sweep,
        run_all,
    )

    sweep = read_sweep(args.sweep)
    name, base = sweep.find_base(args.base)
    rows = sweep.choose(args.rows)
    seeds = check_seeds(args.seeds, '--seeds') if args.seeds else sweep.seeds
    gpus = [gpu.strip() for gpu in args.gpus.split(',') if gpu.strip()]
    check_gpus(gpus)
    work_dir, out = folders(args, sweep.path, name)
    if out.is_file():
        check_marks(out)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    campaign = Campaign(sweep, name, base, rows, seeds, args.cfg_options, work_dir, args.size)
    if args.dry_run:
        console.print('\n'.join(campaign.preview()))
        return

    failures: list[str] = []
    ended = 0

    def done(run: Run, failure: str | None) -> None:
        nonlocal ended
        ended += 1
        text = failure or campaign.summary(run)
        console.print(f'[{ended}/{len(campaign.runs)}] {run.name}: {text}')
        if failure:
            failures.append(run.name)
        campaign.write(out)

    console.print(f'{sweep.title}: {len(campaign.runs)} runs in {work_dir}')
    run_all(campaign.runs, TOOLS, environments(args.jobs, gpus), done)
    if missing := campaign.draw(out):
        console.print(f'No plot: {missing}')
    console.print(f'Written: {out}')
    if failures:
        console.print(f'Without results: {"; ".join(failures)}. The same command tries again.')
        sys.exit(1)


def folders(args: argparse.Namespace, sweep: Path, base: str) -> tuple[Path, Path]:
    """Where the runs go, and the table."""
    folder = sweep.resolve().parent.name
    work_dir = args.work_dir or Path('work_dirs/sweeps', f'{folder}_{base}' if base else folder)
    out = args.out or work_dir / f'{sweep.stem}.md'
    if out.suffix != '.md':
        raise ValueError(f'--out {out}: the name must end in .md.')
    return work_dir, out


if __name__ == '__main__':
    # Ended from outside like from the keyboard: with the processes that it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run_tool(main, interrupted='Interrupted. The same command goes on.')
