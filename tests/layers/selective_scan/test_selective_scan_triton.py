"""The Triton kernels: their arithmetic in Triton's interpreter, on the CPU, and that they compile.

On a device: test_selective_scan_gpu.py. The interpreter must be chosen before the kernels are
imported, hence a process of its own: this file, run as a program.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

HERE = Path(__file__)


def check_in_interpreter():
    from test_selective_scan import NAMES, assert_near, gradients, make, reference

    from irbox.layers.selective_scan import dispatch as module
    from irbox.layers.selective_scan import operator, triton_scan

    module.choose_path = lambda *_: 'triton'

    def compare(tensors):
        expected = reference(*tensors, delta_softplus=True)
        y = module.selective_scan(*tensors, delta_softplus=True)
        assert_near([y, *gradients(y, tensors)], [expected, *gradients(expected, tensors)])

    compare(make(1, 33, dim=3, state=16))  # as in use, in whole tiles of 16 steps
    # A tile costs by its size here: from now on small ones, which also make more chunks.
    triton_scan.CELLS = 8
    operator.SCAN_STEPS = 8
    for batch, length, dim, state in ((1, 1, 1, 1), (2, 7, 5, 3), (2, 8, 2, 4), (1, 61, 3, 5)):
        for largest_step in (0.1, 70.0):
            compare(make(batch, length, dim, state, largest_step))
    for missing in (('D',), ('z',), ('delta_bias',), ('D', 'z', 'delta_bias')):
        tensors = make(1, 20, dim=3, state=2)
        compare([None if n in missing else t for n, t in zip(NAMES, tensors, strict=True)])

    assert triton_scan.problem(torch.device('cpu')) is None
    honest = triton_scan.scan_forward
    triton_scan.scan_forward = lambda *a: tuple(1.01 * t for t in honest(*a))
    assert 'other numbers' in triton_scan.problem(torch.device('cpu'))


def check_that_they_compile():
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from irbox.layers.selective_scan import triton_scan
    from irbox.triton_kernels.scan_gradient_kernel import scan_gradient_kernel
    from irbox.triton_kernels.scan_kernel import layout, scan_kernel

    _, tile = layout(1, 768, 16, 16, triton_scan.CELLS)
    options = {'num_warps': tile.pop('num_warps'), 'maxnreg': triton_scan.REGISTERS}
    tile.update(softplus=True, has_skip=True, has_gate=True, has_bias=True, learns=True)
    for kernel in (scan_kernel, scan_gradient_kernel):
        types = {
            name: 'constexpr' if name in tile
            else 'i32' if name in ('length', 'channels', 'num_states') or 'stride' in name
            else '*fp32'
            for name in kernel.arg_names
        }  # fmt: skip
        constants = {
            (kernel.arg_names.index(name),): value for name, value in tile.items() if name in types
        }
        source = ASTSource(kernel, types, constexprs=constants)
        for capability in (80, 90):
            binary = triton.compile(
                source, target=GPUTarget('cuda', capability, 32), options=options
            )
            assert binary.asm['cubin']


def run(check, **environment):
    """Run a function of this file in a process of its own."""
    pytest.importorskip('triton')
    path = os.pathsep.join(
        [str(HERE.parent), str(HERE.parents[3]), os.environ.get('PYTHONPATH', '')]
    )
    environment = {**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1', **environment}
    done = subprocess.run(
        [sys.executable, str(HERE), check.__name__],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_kernels_equal_the_reference_in_the_interpreter():
    run(check_in_interpreter, TRITON_INTERPRET='1')


@pytest.mark.slow
def test_the_kernels_compile_for_gpus(tmp_path):
    run(check_that_they_compile, TRITON_CACHE_DIR=str(tmp_path))


if __name__ == '__main__':
    globals()[sys.argv[1]]()
