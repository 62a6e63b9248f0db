"""``irbox make-scenes``: a bank of generated scenes to train on."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from irbox.commands.written_files import written_file
from irbox.config.command_line import OptionsAction, whole_number

DESCRIPTION = """Write a bank of generated scenes, with depth, for training.

A bank that was stopped goes on where it stopped, and is the same as one that was not."""

SUFFIXES = ('.png', '.jpg', '.jpeg')
# Seconds between two lines where there is no terminal.
EVERY = 30.0
INTERRUPTED = 'Interrupted. The same command goes on where it stopped.'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('folder', type=Path, help='where the bank is, or is to be')
    parser.add_argument(
        '--num', type=whole_number, default=2000, help='scenes (default: %(default)s)'
    )
    parser.add_argument(
        '--size', type=whole_number, default=512, help='height and width (default: %(default)s)'
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='another seed, other scenes (default: %(default)s)'
    )
    parser.add_argument(
        '--workers', type=whole_number, default=1, help='processes (default: %(default)s)'
    )
    parser.add_argument(
        '--options',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help="of SceneGenerator, such as light=false or 'layouts={leaves: 1}'",
    )
    parser.add_argument(
        '--sheet',
        type=written_file,
        help='also draw a picture of the first 24 scenes: a .png or .jpg file',
    )


def run(args: argparse.Namespace) -> None:
    """Write what is missing, and say size and time."""
    if args.sheet and args.sheet.suffix.lower() not in SUFFIXES:
        raise ValueError(f'--sheet {args.sheet}: the name must end in {", ".join(SUFFIXES)}.')

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    from irbox.datasets.scenes.scene_bank import scene_file
    from irbox.datasets.scenes.write_bank import write_bank

    options = {'size': args.size, 'seed': args.seed, **args.options}
    console = Console(soft_wrap=True, highlight=False, markup=False)
    steps = write_bank(args.folder, args.num, options, args.workers)
    first, count = next(steps)
    begun = said = time.perf_counter()
    columns = (TextColumn('scenes'), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task('', total=count, completed=first)
        for done, _ in steps:
            bar.update(task, completed=done)
            if not console.is_terminal and time.perf_counter() - said > EVERY:
                said = time.perf_counter()
                left = (said - begun) / (done - first) * (count - done)
                console.print(f'scenes {done}/{count}, {left / 60:.0f} min left')
    seconds = time.perf_counter() - begun
    one = scene_file(args.folder, 0).stat().st_size
    new = count - first
    speed = f', {new} of them new in {seconds:.0f} s ({seconds / new:.2f} s each)' if new else ''
    console.print(f'{count} scenes{speed}, {count * one / 1e6:.0f} MB: {args.folder}')
    if args.sheet:
        draw_sheet(args.folder, args.sheet)
        console.print(f'Picture of the first: {args.sheet}')


def draw_sheet(folder: Path, out: Path, number: int = 24, side: int = 192) -> None:
    """Draw the first scenes of a bank beside each other, six in a row."""
    from PIL import Image

    from irbox.datasets.scenes.scene_bank import SceneBank

    bank = SceneBank(folder)
    shown = [bank.read(n)[0].image for n in range(min(number, len(bank)))]
    sheet = Image.new('RGB', (6 * side, -(-len(shown) // 6) * side))
    for n, image in enumerate(shown):
        small = image.resize((side, side), Image.Resampling.BOX)
        sheet.paste(small, (n % 6 * side, n // 6 * side))
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out, quality=80)
