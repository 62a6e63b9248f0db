"""Options of every command that loads a model as ``irbox.load`` does."""

from __future__ import annotations

import argparse


def add_model_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add ``--config``, ``--trust`` and ``--offline``, which go with a model."""
    parser.add_argument('--config', help='of a checkpoint that does not hold its own')
    parser.add_argument(
        '--trust', action='store_true', help='run the plug-ins that a checkpoint names'
    )
    add_offline(parser)


def add_offline(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add ``--offline`` alone."""
    parser.add_argument(
        '--offline', action='store_true', help='fetch nothing of what is named by address'
    )
