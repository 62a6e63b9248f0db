"""``irbox convert-checkpoint``: published weights as files that irbox loads fast and safely."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

DESCRIPTION = 'Convert published weights to files that irbox loads fast and safely.'
EXAMPLES = """examples:
  irbox convert-checkpoint daclip daclip_ViT-B-32.pt weights/daclip_ViT-B-32.safetensors
  irbox convert-checkpoint m2restore model.ckpt weights/m2restore.pth
  irbox convert-checkpoint published CONFIG model.ckpt weights/model.pth

daclip keeps the tensors of a DA-CLIP training checkpoint (985 MB of 1.74 GB for ViT-B-32) as
safetensors. m2restore turns the Lightning file of the public M2Restore code into a checkpoint
(.pth or .safetensors) for configs on configs/_base_/models/m2restore_official.yaml.
published does so for any config with a plug-in that knows the file, such as
configs/plugins/promptir.yaml.
"""
M2RESTORE = 'configs/_base_/models/m2restore_official.yaml'


def convert_daclip(arguments: argparse.Namespace) -> None:
    """Convert a DA-CLIP checkpoint in any of its forms to safetensors."""
    from irbox.priors.daclip.loading import convert

    tensors, parameters = convert(arguments.input, arguments.output, arguments.trust_pickle)
    report(arguments, tensors, parameters)


def convert_m2restore(arguments: argparse.Namespace) -> None:
    """Convert the released checkpoint of M2Restore to a checkpoint of irbox."""
    from irbox.config.shipped_configs import shipped_folder
    from irbox.conversion.convert import convert

    root = shipped_folder()
    assert root is not None, 'neither a checkout nor a wheel'
    done = convert(
        root / M2RESTORE,
        arguments.input,
        arguments.output,
        arguments.trust_pickle,
        system='m2restore',
    )
    report(arguments, done.tensors, done.parameters, done.left_out)


def convert_published(arguments: argparse.Namespace) -> None:
    """Convert the file of a system that a plug-in of CONFIG knows to a checkpoint of irbox."""
    from irbox.conversion.convert import convert

    done = convert(arguments.config, arguments.input, arguments.output, arguments.trust_pickle)
    report(arguments, done.tensors, done.parameters, done.left_out)


def report(
    arguments: argparse.Namespace,
    tensors: int,
    parameters: int,
    left_out: Mapping[str, int] | None = None,
) -> None:
    """Say what was written, and what was not."""
    from irbox.utils.console import console

    sizes = [path.stat().st_size / 1e6 for path in (arguments.input, arguments.output)]
    terminal = console()
    terminal.print(
        f'{arguments.output}: {tensors} tensors, {parameters:,} parameters, '
        f'{sizes[1]:,.1f} MB (was {sizes[0]:,.1f} MB)'
    )
    for reason, count in (left_out or {}).items():
        terminal.print(f'Left out: {count} {reason}')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    kinds = parser.add_subparsers(dest='kind', required=True)
    daclip = kinds.add_parser('daclip', help=convert_daclip.__doc__)
    daclip.set_defaults(convert=convert_daclip)
    m2restore = kinds.add_parser('m2restore', help=convert_m2restore.__doc__)
    m2restore.set_defaults(convert=convert_m2restore)
    published = kinds.add_parser('published', help=convert_published.__doc__)
    published.set_defaults(convert=convert_published)
    published.add_argument('config', type=Path, metavar='CONFIG', help='what the weights are for')
    for kind in (daclip, m2restore, published):
        kind.add_argument('input', type=Path, metavar='IN', help='the published file')
        kind.add_argument('output', type=Path, metavar='OUT', help='the file to write; must be new')
        kind.add_argument(
            '--trust-pickle',
            action='store_true',
            help='read a file that asks to run code of its own: only if you trust its source',
        )


def run(args: argparse.Namespace) -> None:
    """Convert."""
    args.convert(args)
