"""``irbox sweep``: the rows of a table, trained and written."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from irbox.commands.written_files import written_file
from irbox.config.command_line import (
    OptionsAction,
    add_config_options,
    whole_number,
    width_by_height,
)
from irbox.config.shipped_configs import find_config

if TYPE_CHECKING:
    from irbox.sweeps import Run

DESCRIPTION = """Train the rows of a table and write it, as Markdown, CSV and a plot.

Rows that are finished are not trained again, one that was interrupted goes on, so the same command
resumes. A row that fails is reported and the others go on; the exit code is 1 then."""
INTERRUPTED = 'Interrupted. The same command goes on.'
JOBS = 'jobs'
"""Folder in the work dir with the logs of jobs."""
TOOLS: Path | None = None
"""Folder of ``train.py`` and ``test.py``; None for the commands of the package."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        'sweep',
        type=Path,
        nargs='?',
        help='a YAML file with rows, or the name of one that comes with irbox, such as '
        'ablations/m2ir/table_vii; see docs/ablations.md',
    )
    parser.add_argument(
        '--search', type=Path, metavar='FILE', help='try values of config keys instead, by Optuna'
    )
    parser.add_argument('--base', help='what the rows change: a name in the sweep, or a config')
    parser.add_argument('--rows', nargs='+', metavar='NAME', help='only these')
    parser.add_argument('--seeds', nargs='+', type=int, help="in place of the sweep's")
    parser.add_argument('--jobs', type=whole_number, help='runs at a time; one, or one per GPU')
    parser.add_argument('--gpus', default='', metavar='0,1', help='GPUs, dealt out to the jobs')
    parser.add_argument(
        '--submit', choices=('slurm', 'local'), help='each run as a job, by submitit'
    )
    parser.add_argument(
        '--resources',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='of each job, such as timeout_min=1440 gpus_per_node=1 slurm_partition=gpu',
    )
    parser.add_argument(
        '--work-dir', type=Path, help='a folder per run; work_dirs/sweeps/FOLDER_BASE by default'
    )
    parser.add_argument(
        '--out',
        type=written_file,
        metavar='FILE.md',
        help='the table; a .csv and a .png go beside it. In the work dir by default',
    )
    parser.add_argument(
        '--size',
        type=width_by_height,
        default=(720, 480),
        metavar='WxH',
        help='that costs are counted for',
    )
    parser.add_argument(
        '--dry-run', action='store_true', help='show the rows and what they change, train nothing'
    )
    add_config_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run a sweep."""
    # Ended from outside like from the keyboard: with the processes that it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from rich.console import Console

    from irbox.sweeps import (
        Campaign,
        check_gpus,
        check_marks,
        check_resources,
        check_seeds,
        environments,
        read_sweep,
        run_all,
        submit_all,
    )

    check_submitting(args)
    if args.search:
        return search(args)
    sweep = read_sweep(find_config(args.sweep))
    name, base = sweep.find_base(args.base)
    rows = sweep.choose(args.rows)
    seeds = check_seeds(args.seeds, '--seeds') if args.seeds else sweep.seeds
    gpus = [gpu.strip() for gpu in args.gpus.split(',') if gpu.strip()]
    check_gpus(gpus)
    work_dir, out = folders(args, sweep.path, name)
    resources = {row.name: {**sweep.resources, **row.resources, **args.resources} for row in rows}
    if out.is_file():
        check_marks(out)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    campaign = Campaign(sweep, name, base, rows, seeds, args.cfg_options, work_dir, args.size)
    if args.submit:
        check_resources(args.submit, work_dir / JOBS, resources)
    if args.dry_run:
        console.print('\n'.join(campaign.preview()))
        return 0

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
    if args.submit:
        slots = slots_of(args, len(campaign.runs))
        submit_all(campaign.runs, TOOLS, args.submit, work_dir / JOBS, resources, slots, done)
    else:
        run_all(campaign.runs, TOOLS, environments(args.jobs, gpus), done)
    if missing := campaign.draw(out):
        console.print(f'No plot: {missing}')
    console.print(f'Written: {out}')
    if failures:
        console.print(f'Without results: {"; ".join(failures)}. The same command tries again.')
    return 1 if failures else 0


def search(args: argparse.Namespace) -> int:
    """Try what a search file asks for, beside other processes that do; gives the exit code."""
    from irbox.sweeps import Searcher, Study, check_resources, read_search, submit_all
    from irbox.utils.console import console

    found = read_search(find_config(args.search))
    folder = args.work_dir or Path('work_dirs/searches', args.search.stem)
    searcher = Searcher(found, folder.resolve())
    resources = {searcher.row: args.resources}
    if args.submit:
        check_resources(args.submit, folder / JOBS, resources)
    if args.dry_run:
        console().print(f'{found.title}: {found.trials} trials of {", ".join(found.space)}')
        return 0

    def say(text: str) -> None:
        console().print(text)

    study, failed = Study(found, folder, TOOLS, say), False
    if args.submit:
        list(study.news())  # what an earlier start has told

        def done(_: Searcher, failure: str | None) -> None:
            nonlocal failed
            failed = failed or failure is not None
            if failure:
                say(f'A job ended: {failure}')

        def look() -> None:
            for line in study.news():
                say(line)

        slots = slots_of(args, 1)
        several = [searcher] * len(slots)
        submit_all(several, TOOLS, args.submit, folder / JOBS, resources, slots, done, look)
    else:
        failed = study.run() > 0
    best = folder / 'best.yaml'
    say(f'The best: {best}' if best.is_file() else 'No trial has ended by itself.')
    return 1 if failed else 0


def slots_of(args: argparse.Namespace, number: int) -> list[dict[str, str]]:
    """Give what is added to the environment of each job that there may be at a time.

    Args:
        args: The options.
        number: Of jobs of a cluster, where ``--jobs`` does not say; on this machine it is one.
    """
    from irbox.sweeps import environments

    if args.submit == 'local':
        return environments(args.jobs or 1, ())
    return [{} for _ in range(args.jobs or number)]


def check_submitting(args: argparse.Namespace) -> None:
    """Refuse options that mean nothing together."""
    if bool(args.sweep) == bool(args.search):
        raise ValueError('Give a sweep, or --search FILE.')
    others = ('base', 'rows', 'seeds', 'gpus', 'out', 'cfg_options')
    for name in others if args.search else ():
        if getattr(args, name):
            raise ValueError(
                f'--{name.replace("_", "-")} is of sweeps. A search has its values in its file.'
            )
    if args.search and args.jobs and not args.submit:
        raise ValueError(
            '--jobs: a search goes on in as many processes as start it. Start it so often, or add '
            '--submit slurm or --submit local.'
        )
    if args.submit and args.gpus:
        raise ValueError('--gpus: a job gets its GPUs by --resources gpus_per_node=1.')
    if args.resources and not args.submit:
        raise ValueError('--resources are those of jobs: add --submit slurm or --submit local.')


def folders(args: argparse.Namespace, sweep: Path, base: str) -> tuple[Path, Path]:
    """Tell where the runs go, and the table."""
    folder = sweep.resolve().parent.name
    work_dir = args.work_dir or Path('work_dirs/sweeps', f'{folder}_{base}' if base else folder)
    out = args.out or work_dir / f'{sweep.stem}.md'
    if out.suffix != '.md':
        raise ValueError(f'--out {out}: the name must end in .md.')
    return work_dir, out
