"""``irbox configs``: the configs that come with irbox."""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """examples:
  irbox configs                         list the names
  irbox configs copy m2restore_demo     write a file that starts from it, to edit
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    actions = parser.add_subparsers(dest='action', metavar='{list,copy}')
    listing = actions.add_parser('list', help='list the names (what happens without an action)')
    listing.add_argument('word', nargs='?', default='', help='only names that hold this')
    copy = actions.add_parser('copy', help='write a config that starts from one of ours')
    copy.add_argument('name', help='as `irbox configs` lists it')
    copy.add_argument('to', nargs='?', type=Path, help='file to write; my_NAME.py here by default')


def run(args: argparse.Namespace) -> None:
    """List the configs, or copy one."""
    from irbox.config.shipped_configs import find_config, shipped_configs

    if args.action == 'copy':
        print(
            f'Wrote {_copy(find_config(args.name), args.to)}: edit it, and give it to irbox train.'
        )
        return
    word = getattr(args, 'word', '')
    names = [(name, path) for name, path in shipped_configs().items() if word in name]
    if not names:
        raise ValueError(f'No config that comes with irbox has {word!r} in its name.')
    width = max(len(name) for name, _ in names) + 2
    for name, path in names:
        print(f'{name:{width}}{_first_line(path)}'.rstrip())


def _first_line(path: Path) -> str:
    """What a config says of itself: the first line of its docstring or comment."""
    line = path.read_text(encoding='utf-8').split('\n', 1)[0]
    return line.strip('"# ') if line.startswith(('"""', '#')) else ''


def _copy(source: Path, target: Path | None) -> Path:
    """Write a config with one base: what is not changed keeps following the original."""
    from irbox.utils.files import atomic_write

    if _is_sweep(source):
        raise ValueError(
            f'{source} is a sweep, the rows of a table, and no config: irbox sweep {source} trains '
            'them.'
        )
    target = target or Path(f'my_{source.stem}.py')
    if target.exists():
        raise FileExistsError(f'{target} exists. Name another file: irbox configs copy NAME FILE.')
    if target.suffix not in ('.py', '.yaml'):
        raise ValueError(f'{target}: the name of a config ends in .py or .yaml.')
    if target.suffix == '.yaml':
        text = f'# Starts from {source.stem}. Write below what should differ.\n_base_: {source}\n'
    else:
        text = (
            f'"""Starts from {source.stem}. Write below what should differ."""\n\n'
            f'_base_ = [{str(source)!r}]\n\n'
            '# train_cfg = dict(max_iters=1000)\n# train_dataloader = dict(batch_size=4)\n'
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target, 'w') as file:
        file.write(text)
    return target


def _is_sweep(source: Path) -> bool:
    import yaml

    if source.suffix not in ('.yaml', '.yml'):
        return False
    try:
        content = yaml.safe_load(source.read_text(encoding='utf-8'))
    except yaml.YAMLError:  # the reader of configs says what is wrong
        return False
    return isinstance(content, dict) and 'rows' in content
