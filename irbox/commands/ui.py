"""``irbox ui``: a page to drop photographs on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irbox.commands.model_options import add_model_options

if TYPE_CHECKING:
    from irbox.page.desk import Desk

DESCRIPTION = 'Serve a page to drop photographs on, for this machine alone unless told otherwise.'
EXAMPLES = """examples:
  irbox ui --model final.pth                           at http://127.0.0.1:7860
  irbox ui --model a.pth,b.pth --port 8000             with two models to choose from
  irbox ui --host 0.0.0.0                              for every machine that reaches this one
  curl -F file=@a.jpg http://127.0.0.1:7860/restore -o b.jpg
"""
INTERRUPTED = 'The page is closed.'
MOST = 1_000_000_000
"""Of megapixels and minutes: more than any picture or page has, and less than overflows."""


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number <= MOST:
        raise argparse.ArgumentTypeError(f'{text!r} is no number above 0 and up to {MOST:,}')
    return number


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f'{text!r} is no port from 0 to 65535')
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    where = parser.add_argument_group('where')
    where.add_argument('--host', default='127.0.0.1', help='127.0.0.1: this machine alone')
    where.add_argument('--port', type=_port, default=7860, help='7860; 0 for any that is free')
    models = parser.add_argument_group('models and machine')
    models.add_argument(
        '--model',
        metavar='NAME|PATH',
        help='as for irbox restore; several, with commas, to choose from. By default those that '
        'come with irbox',
    )
    add_model_options(models)
    models.add_argument('--device', default='auto', help='auto, cpu, cuda, cuda:1, mps, xpu')
    models.add_argument('--precision', choices=('auto', 'fp32', 'bf16', 'fp16'), default='auto')
    limits = parser.add_argument_group('what a visitor may ask for')
    limits.add_argument('--max-upload', metavar='SIZE', default='200M', help='of a file (200M)')
    limits.add_argument(
        '--max-megapixels', type=_positive, metavar='N', default=64.0, help='of a picture (64)'
    )
    limits.add_argument(
        '--minutes', type=_positive, metavar='N', default=60.0, help='that files are kept (60)'
    )


def run(args: argparse.Namespace) -> None:
    """Serve the page."""
    from rich.console import Console

    from irbox.restore.memory import parse_memory
    from irbox.utils.optional import require

    require('uvicorn', package="'irbox[ui]'", needed_by='The page')
    from irbox.page.limits import Limits
    from irbox.page.serve import serve

    try:
        size = parse_memory(args.max_upload)
    except ValueError:
        raise ValueError(f"--max-upload {args.max_upload} is no size, such as '200M'.") from None
    limits = Limits(bytes=size, pixels=round(args.max_megapixels * 1e6), minutes=args.minutes)
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)

    def make_desk(folder: Path) -> Desk:
        return _desk(args, limits, folder)

    serve(make_desk, args.host, args.port, console.print)


def _desk(args: argparse.Namespace, limits: Any, folder: Path) -> Desk:
    from irbox.page.desk import Desk
    from irbox.page.shelf import Shelf
    from irbox.restore.batch.read_arguments import NO_NAME
    from irbox.restore.load import load
    from irbox.restore.shipped import SHIPPED, default_model

    if args.model is not None and not args.model.strip():
        raise ValueError(NO_NAME)
    shipped = [str(folder) for folder in SHIPPED.values()]
    names = args.model.split(',') if args.model is not None else shipped or [default_model()]
    if not all(name.strip() for name in names):
        raise ValueError(f'--model {args.model}: a name is missing beside a comma.')
    if args.config and len(names) > 1:
        raise ValueError(f'--config goes with one model, and --model {args.model} names several.')

    def open_model(name: str, device: str) -> Any:
        what = (args.config, name) if args.config else name
        return load(what, device, args.precision, args.trust, args.offline)

    shelf = Shelf(names, open_model, args.device)
    return Desk(shelf, limits, folder, args.precision)
