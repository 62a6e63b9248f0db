"""``irbox export``: a model as a file that other programs run."""

from __future__ import annotations

import argparse

from irbox.commands.model_options import add_model_options
from irbox.commands.written_files import written_file
from irbox.config.command_line import width_by_height

DESCRIPTION = """Write a model as a file that other programs run.

NAME.onnx is for ONNX Runtime, OpenVINO and their kin, NAME.pt2 for torch alone, NAME.dtmodel
for darktable. Images of any size go in; padding is inside. The file is run beside torch before it
gets its name, and is not written where its answer differs."""
EXAMPLES = """examples:
  irbox export work_dirs/m2restore_demo/final.pth m2restore_demo.onnx
  irbox export final.pth small.onnx --dtype float16     half the size
  irbox export final.pth haze.dtmodel                   for darktable's neural restore
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument('model', help='as for irbox restore')
    parser.add_argument(
        'out', type=written_file, metavar='OUT', help='NAME.onnx, NAME.pt2 or NAME.dtmodel'
    )
    add_model_options(parser)
    parser.add_argument(
        '--prior',
        choices=('auto', 'inside', 'input'),
        default='auto',
        help='where what is believed of an image comes from: the file, or whoever runs it '
        '(default: inside, but for priors with a file of their own)',
    )
    parser.add_argument(
        '--dtype',
        choices=('float32', 'float16'),
        default='float32',
        help='of the weights in the file; float32 is computed (default: %(default)s)',
    )
    parser.add_argument(
        '--sizes',
        nargs='+',
        type=width_by_height,
        metavar='WxH',
        help='of the images that it is checked on (default: 96x64 250x187 516x520)',
    )
    parser.add_argument('--overwrite', action='store_true', help='replace a file that is there')


def run(args: argparse.Namespace) -> None:
    """Load the model, write the file, and say how it compares."""
    from irbox.export.export_model import check_name, export_model
    from irbox.graphs.agreement import LIMIT, SIZES, Agreement
    from irbox.restore.exported_model import ExportedModel
    from irbox.restore.load import load

    check_name(args.out)
    if args.out.exists() and not args.overwrite:
        raise ValueError(f'{args.out} exists. Choose another name, or give --overwrite.')
    what = (args.config, args.model) if args.config else args.model
    model = load(what, 'cpu', 'fp32', args.trust, args.offline)
    if isinstance(model, ExportedModel):
        raise ValueError(f'{args.model} is exported already: give the model that it was made of.')
    print(f'{model.name}: tracing, {model.parameters:,} parameters. This may take minutes.')

    def tell(one: Agreement) -> None:
        width, height = one.size
        print(
            f'{one.engine}, {one.image} {width}x{height}: largest difference '
            f'{one.difference:.1e} of the deviation (at most {LIMIT:g}); '
            f'{one.seconds:.3f} s, torch {one.torch_seconds:.3f} s',
            flush=True,
        )

    export_model(model, args.out, args.prior, args.dtype, args.sizes or SIZES, tell)
    print(f'{args.out}: {args.out.stat().st_size / 1e6:.2f} MB')
