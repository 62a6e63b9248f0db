"""``irbox models``: the models that can be named."""

from __future__ import annotations

import argparse

DESCRIPTION = 'List the models that can be named, what they are, and where to get what is not here.'
EXAMPLES = """examples:
  irbox models                          what ships, what is known by name, and what is here
  irbox models --architectures          also what spandrel knows (pip install 'irbox[zoo]')
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        '--architectures',
        action='store_true',
        help='also list the architectures of other people whose files are taken, by spandrel',
    )
    parser.add_argument('--markdown', action='store_true', help='as the table of docs/models.md')


def run(args: argparse.Namespace) -> None:
    """List the models."""
    from irbox.restore.known_models import model_folders
    from irbox.restore.list_models import list_models, markdown, text

    models = list_models()
    if args.markdown:
        print(markdown(models))
        return
    print(text(models))
    own, shared = model_folders()
    print(
        f'\nFiles are looked for in {own} and in {shared}. Any other file goes by its path or '
        'address.'
    )
    if args.architectures:
        from irbox.networks.spandrel_network import architectures

        print('\nBy spandrel, files of: ' + ', '.join(architectures()) + '.')
        print('Those that change the size, need a mask or are of one channel are refused.')
