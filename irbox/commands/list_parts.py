"""``irbox list-parts``: what a config can name."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

DESCRIPTION = (
    'List what a config can name: every part with its file, what it does and its arguments.'
)
EXAMPLES = 'Parts of plug-ins are marked. Installed ones are always listed.'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        'sources',
        nargs='*',
        metavar='PLUGIN|CONFIG',
        help='also list the parts of a plug-in (file, folder, module), or of those a config names',
    )
    parser.add_argument(
        '--kind',
        action='append',
        metavar='KIND',
        help='only these: networks, blocks, routers, experts, priors, losses, datasets, ...; '
        'may be repeated',
    )
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')


def run(args: argparse.Namespace) -> None:
    """List the parts."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from irbox.config.list_parts import list_parts, names_of_kinds
    from irbox.registry import suggest

    for kind in args.kind or ():
        if kind not in names_of_kinds():
            raise ValueError(f'--kind {kind}: unknown. {suggest(kind, names_of_kinds())}')
    parts, broken = list_parts(args.sources, args.kind)
    for failure in broken:
        print(f'WARNING: {failure}', file=sys.stderr)
    if args.json:
        print(json.dumps([asdict(part) for part in parts], indent=2, ensure_ascii=False))
        return
    console = Console()
    # Not a terminal: as wide as it needs to be, so that nothing is cut in a log or a pipe.
    console = console if console.is_terminal else Console(width=200)
    for kind in dict.fromkeys(part.kind for part in parts):
        table = Table(title=kind, title_justify='left', show_lines=True)
        for column in ('part', 'does', 'arguments', 'file'):
            table.add_column(column, overflow='fold')
        for part in parts:
            if part.kind == kind:
                taken = [
                    f'{name}={value}' if value else name for name, value in part.arguments.items()
                ]
                name = f'{part.name} (plug-in)' if part.plugin else part.name
                cells = (name, part.summary, ', '.join(taken), f'{part.file}:{part.line}')
                table.add_row(*map(escape, cells))
        console.print(table)
