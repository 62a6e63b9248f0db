"""``irbox verify``: how a restored picture was made, repeated and compared."""

from __future__ import annotations

import argparse
from pathlib import Path

from irbox.commands.model_options import add_model_options

DESCRIPTION = 'Restore a picture again, as the record in its answer says, and compare.'
EXAMPLES = """examples:
  irbox verify photo.jpg photo_restored.jpg --model final.pth

exit code: 0 the same, 1 it differs, 2 it cannot be told
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('input', type=Path, metavar='IN', help='the picture as it was')
    parser.add_argument('output', type=Path, metavar='OUT', help='the answer that irbox wrote')
    parser.add_argument('--model', help='as for irbox restore; the one that the record names')
    add_model_options(parser)
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda, cuda:1, mps, xpu')
    parser.add_argument('--mask', type=Path, help='the mask that it was made with')
    parser.add_argument('--steer-mask', type=Path, help='the mask of --task or --not')


def run(args: argparse.Namespace) -> int:
    """Repeat and compare."""
    from irbox.restore.load import load
    from irbox.restore.shipped import SHIPPED
    from irbox.restore.verify import read_claim, verify

    if not args.input.is_file():
        raise FileNotFoundError(f'{args.input} does not exist. Name the picture as it was.')
    claim = read_claim(args.output)
    if args.model is None and claim.model not in SHIPPED:
        raise ValueError(
            f'{args.output} was made by the model {claim.model}, which does not come with irbox. '
            'Give it by --model.'
        )
    name = args.model or str(SHIPPED[claim.model])
    what = (args.config, name) if args.config else name
    model = load(what, args.device, claim.precision, args.trust, args.offline, claim.runtime)
    verdict = verify(args.input, args.output, claim, model, args.mask, args.steer_mask)
    print(verdict.text)
    return 0 if verdict.same else 1
