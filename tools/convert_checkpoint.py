"""Convert published weights to files that irbox loads fast and safely.

    python tools/convert_checkpoint.py daclip daclip_ViT-B-32.pt weights/daclip_ViT-B-32.safetensors

``daclip`` keeps the tensors of a DA-CLIP training checkpoint (985 MB of 1.74 GB for ViT-B-32) as
safetensors.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from irbox.engine.cli import run_tool


def convert_daclip(arguments: argparse.Namespace) -> None:
    """A DA-CLIP checkpoint in any of its forms -> safetensors."""
    from rich.console import Console

    from irbox.priors.daclip.loading import convert

    tensors, parameters = convert(arguments.input, arguments.output, arguments.trust_pickle)
    sizes = [path.stat().st_size / 1e6 for path in (arguments.input, arguments.output)]
    Console().print(
        f'{arguments.output}: {tensors} tensors, {parameters:,} parameters, '
        f'{sizes[1]:,.1f} MB (was {sizes[0]:,.1f} MB)',
        soft_wrap=True,
    )


def parse_arguments() -> argparse.Namespace:
    """The command line: a kind of checkpoint, then its files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = parser.add_subparsers(dest='kind', required=True)
    daclip = kinds.add_parser('daclip', help=convert_daclip.__doc__)
    daclip.set_defaults(run=convert_daclip)
    for kind in (daclip,):
        kind.add_argument('input', type=Path, metavar='IN', help='the published file')
        kind.add_argument('output', type=Path, metavar='OUT', help='the file to write; must be new')
    daclip.add_argument(
        '--trust-pickle',
        action='store_true',
        help='read a file that asks to run code of its own: only if you trust where it comes from',
    )
    return parser.parse_args()


def main() -> None:
    """Convert."""
    arguments = parse_arguments()
    arguments.run(arguments)


if __name__ == '__main__':
    run_tool(main)
