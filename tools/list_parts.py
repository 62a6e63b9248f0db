"""List what a config can name: every part with its file, what it does and its arguments."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from irbox.config.command_line import run_tool


def main(arguments: Sequence[str] | None = None) -> None:
    """List the parts."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Parts of plug-ins are marked. Installed ones are always listed.',
    )
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
    options = parser.parse_args(arguments)

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from irbox.config.list_parts import list_parts, names_of_kinds
    from irbox.registry import suggest

    for kind in options.kind or ():
        if kind not in names_of_kinds():
            parser.error(f'--kind {kind}: unknown. {suggest(kind, names_of_kinds())}')
    parts, broken = list_parts(options.sources, options.kind)
    for failure in broken:
        print(f'WARNING: {failure}', file=sys.stderr)
    if options.json:
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


if __name__ == '__main__':
    run_tool(main)
