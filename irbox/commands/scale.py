"""``irbox scale``: what trainings and archives would take on many machines, on paper."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from irbox.config.command_line import add_config_options, whole_number

DESCRIPTION = """Work out what a training would take on 1 to 64 GPUs, and an archive of pictures.

Nothing is run: weights, operations and launches are counted on the network of the config, its
length and batch are the config's, and the rates of the machines are options."""
GPUS = (1, 2, 4, 8, 16, 32, 64)
WORKERS = (1, 8, 64, 512)
# What docs/scale.md says of where each is from.
DEFAULTS = {
    'rate': (6.2e12, 'operations a second of a GPU'),
    'launch': (5e-6, 'seconds to launch a kernel'),
    'link': (450e9, 'bytes a second between GPUs of a machine'),
    'network': (50e9, "bytes a second of a GPU's share of the network"),
    'latency': (1e-5, 'seconds of a message without content'),
    'samples': (85.0, 'crops a second that a core makes'),
    'price': (2.5, 'of a GPU for an hour'),
}
ARCHIVE = {
    'pictures': (1e7, 'pictures of the archive'),
    'megapixels': (12.0, 'of a picture'),
    'read': (5e6, 'bytes of a file'),
    'written': (6e6, 'bytes of an answer'),
    'decode': (0.021, 'seconds of a core for a megapixel, decoding and encoding'),
    'listed': (5e-4, 'seconds of the one process that lists and notes, for each picture'),
    'kept': (2000.0, 'bytes of its memory for each'),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('config', type=Path, help='a .py or .yaml config')
    parser.add_argument(
        '--pairs',
        type=whole_number,
        required=True,
        metavar='N',
        help='of an epoch: the config knows folders, not what is in them',
    )
    parser.add_argument(
        '--at-once', type=whole_number, metavar='N', help="crops on a GPU (the config's)"
    )
    parser.add_argument('--gpus-per-machine', type=whole_number, default=8, metavar='N')
    parser.add_argument('--cores', type=whole_number, default=16, metavar='N', help='beside a GPU')
    for name, (value, text) in (DEFAULTS | ARCHIVE).items():
        parser.add_argument(
            f'--{name}', type=float, default=value, help=f'{text} (default: %(default)s)'
        )
    parser.add_argument(
        '--speed',
        type=float,
        metavar='N',
        help='megapixels a second that a worker restores (by default what the rate gives)',
    )
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    """Print both tables as Markdown."""
    from irbox.benchmark.scale import (
        Archive,
        Machines,
        cores_that_suffice,
        cost,
        days,
        megapixels_a_second,
        restoring,
        step,
    )

    for name in (*DEFAULTS, *ARCHIVE, 'speed'):
        value = getattr(args, name)
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f'--{name} {value} must be a number above 0.')
    training, patch = _training(args)
    # The forward pass alone, over as many crops as a megapixel has.
    speed = args.speed or megapixels_a_second(training, args.rate, patch)
    machines = Machines(
        gpus=args.gpus_per_machine,
        cores=args.cores,
        **{name: getattr(args, name) for name in DEFAULTS},
    )
    print(
        f'{args.config}: {training.weights / 1e6:.1f} M weights, {training.macs / 1e9:.1f} GMACs '
        f'and {training.launches:,} launches a crop, {training.samples / 1e6:.2f} M crops in all. '
        f'From {cores_that_suffice(training, machines):.2f} cores beside a GPU no batch waits for '
        'data.\n'
    )
    steps = [step(training, machines, gpus) for gpus in GPUS]
    _print(
        {
            'GPUs': [str(one.gpus) for one in steps],
            'crops of each': [str(one.crops) for one in steps],
            'batch': [str(one.batch) for one in steps],
            'step': [f'{one.seconds:.3f} s' for one in steps],
            'sent by each': [f'{one.exchanged / 1e6:.0f} MB' for one in steps],
            'exchange': [f'{one.exchange * 1e3:.1f} ms' for one in steps],
            'not hidden': [f'{one.exposed * 1e3:.1f} ms' for one in steps],
            'data': [f'{one.load * 1e3:.0f} ms' for one in steps],
            'efficiency': [f'{one.efficiency:.1%}' for one in steps],
            'days': [f'{days(training, one):.1f}' for one in steps],
            'cost': [f'{cost(training, machines, one):,.0f}' for one in steps],
        }
    )
    archive = Archive(**{name: getattr(args, name) for name in ARCHIVE})
    print(
        f'\n{archive.pictures:,.0f} pictures of {archive.megapixels:g} megapixels at '
        f'{speed:.3g} megapixels a second and worker; the one process that lists them keeps '
        f'{archive.pictures * archive.kept / 1e9:.0f} GB.\n'
    )
    found = list(restoring(archive, speed, WORKERS))
    _print(
        {
            'workers': [str(one.workers) for one in found],
            'hours': [f'{one.hours:,.0f}' for one in found],
            'hours of workers': [f'{one.worker_hours:,.0f}' for one in found],
            'cores to decode, each': [f'{one.cores:.2f}' for one in found],
            'read': [f'{one.reading / 1e6:,.1f} MB/s' for one in found],
            'written': [f'{one.writing / 1e6:,.1f} MB/s' for one in found],
            'of the one process': [f'{one.noting:.1%}' for one in found],
        }
    )


def _print(columns: dict[str, list[str]]) -> None:
    rows = [list(columns), ['---'] * len(columns), *map(list, zip(*columns.values(), strict=True))]
    print('\n'.join(f'| {" | ".join(row)} |' for row in rows))


def _training(args: argparse.Namespace) -> tuple[Any, int]:
    import torch

    from irbox.analysis.count_macs import count_macs
    from irbox.benchmark.launches import count_launches
    from irbox.benchmark.scale import Training
    from irbox.config.load_config import check_sections, load_config
    from irbox.engine import compat
    from irbox.engine.network import build_network

    compat.init()
    config = load_config(args.config, args.cfg_options)
    check_sections(config, 'model', 'train_dataloader', 'train_cfg')
    content = config.to_dict()
    loader = content['train_dataloader']
    epochs = content['train_cfg'].get('max_epochs')
    if epochs is None:
        raise ValueError(
            f'{args.config} counts iterations, not epochs. Choose a config with another schedule.'
        )
    patch = loader['dataset'].get('patch_size')
    if patch is None:
        raise ValueError(f'{args.config}: train_dataloader.dataset has no patch_size.')
    with torch.device('meta'):
        network = build_network(config)
        launches = count_launches(network, torch.zeros(1, 3, patch, patch), learns=True).count
    training = Training(
        weights=sum(one.numel() for one in network.parameters() if one.requires_grad),
        macs=float(sum(count_macs(network, patch, patch).values())),
        launches=launches,
        batch=loader['batch_size'] * content['optim_wrapper'].get('accumulative_counts', 1),
        at_once=args.at_once or loader['batch_size'],
        samples=args.pairs * epochs,
    )
    return training, patch
