"""``irbox pack-data``: the pairs that a config trains on, in few large files."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from irbox.config.command_line import add_config_options, whole_number

DESCRIPTION = """Pack the image files that a config trains on into tar shards.

A training on them draws the same samples in the same order as one on the files. Packing that was
stopped goes on where it stopped."""
EXAMPLES = """examples:
  irbox pack-data configs/m2restore_allweather.py packed   writes packed/SOURCE.packed and a config
  irbox train packed/config.yaml                           trains on them
"""
# Of an entry: what is done with its pairs, and not what they are.
KEPT = ('repeat', 'degrade')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('config', type=Path, help='a .py or .yaml config')
    parser.add_argument('folder', type=Path, help='where the shards and their config go')
    parser.add_argument(
        '--per-shard',
        type=whole_number,
        default=1000,
        metavar='N',
        help='pairs in a file (default: %(default)s)',
    )
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    """Pack, and say how to train on it."""
    import yaml
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from irbox.config.load_config import check_sections, load_config
    from irbox.config.shipped_configs import find_config
    from irbox.datasets.packed.write_packed import write_packed
    from irbox.datasets.pairs.data_source import find_source
    from irbox.datasets.pairs.distinct_names import distinct_names
    from irbox.engine import compat
    from irbox.utils.files import check_writable, write_text

    compat.init()
    base = find_config(args.config)
    config = load_config(base, args.cfg_options, sections=['train_dataloader'])
    check_sections(config, 'train_dataloader')
    dataset = config.to_dict()['train_dataloader']['dataset']
    if dataset.get('type') != 'PairedImageDataset':
        raise ValueError(
            f'train_dataloader.dataset of {args.config} is a {dataset.get("type")}, which has no '
            'files to pack: only PairedImageDataset has.'
        )
    check_writable(args.folder)
    path = args.folder / 'config.yaml'
    if path.exists() and path.samefile(base):
        raise ValueError(
            f'{path} would be written, and is the config that is read. Give another folder.'
        )
    given = {name: one for name, one in dataset['sources'].items() if one is not None}
    strict = dataset.get('strict', True)
    sources = {
        name: find_source(name, one, dataset.get('data_root', ''), strict)
        for name, one in given.items()
    }
    console = Console(soft_wrap=True, highlight=False, markup=False)
    packed: dict[str, Any] = {'_delete_': True}
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        for name, source in sources.items():
            task = bar.add_task(name, total=len(source.pairs))
            about = {
                'title': source.title,
                'declared': source.half.declared,
                'named': source.half.named,
            }
            names = distinct_names([pair.degraded for pair in source.pairs])
            folder = args.folder / f'{name}.packed'
            for done in write_packed(folder, source.pairs, names, about, args.per_shard):
                bar.update(task, completed=done)
            size = sum(path.stat().st_size for path in folder.glob('*.tar'))
            console.print(f'{folder}: {len(source.pairs):,} pairs, {size / 1e6:.1f} MB')
            kept = {key: given[name][key] for key in KEPT if key in given[name]}
            if source.depth:
                # The maps stay where they are.
                folder_of_maps = str(source.depth.folder.absolute())
                kept['depth'] = {'folder': folder_of_maps, 'near': source.depth.near}
            packed[name] = {'packed': str(folder.absolute()), **kept}
    # Shards are named in full: a data root, of the base or of who trains, is that of other files.
    content = {
        '_base_': os.path.relpath(base, args.folder),
        'train_dataloader': {'dataset': {'sources': packed}},
    }
    write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    console.print(f'Train on them with {path}.')
