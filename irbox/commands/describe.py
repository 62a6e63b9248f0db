"""``irbox describe``: what a network is made of, and its cost."""

from __future__ import annotations

import argparse

from irbox.config.command_line import add_config_options, width_by_height

DESCRIPTION = "Print what a config's network is made of: place, class, file, parameters and cost."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('config', help='a .py or .yaml config')
    parser.add_argument(
        '--size',
        type=width_by_height,
        default=(720, 480),
        metavar='WxH',
        help='size of the image that the cost is counted for (default: 720x480, as in the papers)',
    )
    add_config_options(parser)


def run(args: argparse.Namespace) -> None:
    """Describe the network of a config."""
    import torch
    from rich.console import Console
    from rich.table import Table

    from irbox.analysis.count_macs import count_macs, sparse_share
    from irbox.analysis.network_table import (
        count_parameters,
        describe,
        places_of,
        without_prior,
    )
    from irbox.config.load_config import load_config
    from irbox.engine.network import build_network

    config = load_config(args.config, args.cfg_options, sections=['model'])
    with torch.device('meta'):
        network = build_network(config)
    width, height = args.size
    macs = count_macs(network, height, width)
    table = Table(title=f'{args.config} at {width}x{height}', title_justify='left')
    for name in ('place', 'class', 'file'):
        table.add_column(name, no_wrap=True)
    for name in ('parameters', 'GMACs'):
        table.add_column(name, justify='right', no_wrap=True)
    for row in describe(network, macs):
        table.add_row(row.place, row.part, row.file, f'{row.parameters:,}', f'{row.macs / 1e9:.2f}')
    console = Console()
    # Not a terminal: as wide as it needs to be, so that nothing is cut in a log or a pipe.
    console = console if console.is_terminal else Console(width=160)
    console.print(table)
    trainable, frozen = count_parameters(network)
    exact = count_macs(network, height, width, 'exact')
    dense, sparse, exactly = (
        without_prior(network, one) / 1e9 for one in (macs, sparse_share(network, macs), exact)
    )
    console.print(f'Parameters: {trainable:,} trainable, {frozen:,} frozen', highlight=False)
    prior = places_of(network).get('prior')
    whole = getattr(prior, 'total_parameters', None)
    if prior is not None and whole is not None:
        used = sum(weight.numel() for weight in prior.parameters())
        console.print(
            f'The prior keeps {used:,} of the {whole:,} parameters of the pretrained model',
            highlight=False,
        )
    console.print(
        "Cost, papers' convention (convolutions, linear layers, activations): "
        f'{dense:.1f} G with every expert on every pixel, {sparse:.1f} G with the selected ones',
        highlight=False,
    )
    console.print(
        'Cost, exact (attention products and the selective scan too): '
        f'{exactly:.1f} G with every expert on every pixel',
        highlight=False,
    )
    if prior is not None:
        console.print(
            'Neither holds the prior, which runs once per image: '
            f'{exact.total() / 1e9 - exactly:.1f} G, exact',
            highlight=False,
        )
