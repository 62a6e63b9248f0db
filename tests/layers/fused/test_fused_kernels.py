"""The Triton kernels: their arithmetic in Triton's interpreter, on the CPU, and that they compile.

On a device: test_fused_gpu.py. The interpreter must be chosen before the kernels are imported,
hence a process of its own: this file, run as a program.
"""

import os
import subprocess
import sys
from importlib import import_module
from itertools import chain, product
from pathlib import Path

import pytest
import torch

HERE = Path(__file__)
KERNELS = {
    'project_kernel': 1, 'depthwise_kernel': 1, 'attention_kernels': 2, 'routing_kernels': 2,
    'expert_kernels': 2, 'causal_kernel': 1, 'scan_kernel': 1, 'blend_kernel': 1,
    'depthwise_gradient_kernel': 1, 'norm_gradient_kernel': 1, 'attention_gradient_kernels': 3,
    'gating_gradient_kernel': 1, 'column_sums_kernel': 1, 'halve_kernel': 1,
    'causal_gradient_kernel': 1, 'gated_product_kernel': 1,
}  # fmt: skip
"""Files, and how many kernels each starts."""
SHARED_MEMORY = 99 * 1024
"""Bytes that a program may have on every device from Ampere on (compute capability 8.6)."""


def check_that_they_equal_their_twins():
    from irbox.layers.fused import define, trial

    define.KERNELS_ON_CPU = True
    assert trial.problem(torch.device('cpu'), torch.bfloat16) is None
    limits = {torch.float32: 1e-5, torch.bfloat16: 2**-6}
    for dtype, limit in limits.items():
        for operator, twin, arguments in chain(trial.calls(dtype), trial.routing_calls(dtype)):
            found, expected = (
                trial.read(operator, arguments, run(*arguments)) for run in (operator, twin)
            )
            assert trial.difference(found, expected) <= limit, (operator, dtype)
    honest = define._kernel

    def lying(*arguments):
        honest('depthwise_kernel', 'depthwise')(*arguments)
        arguments[-1].mul_(1.1)

    define._kernel = lambda *names: lying if names[1] == 'depthwise' else honest(*names)
    assert 'depthwise' in trial.problem(torch.device('cpu'), torch.float32)


def check_that_those_of_backward_passes_do():
    from irbox.layers.fused import define
    from irbox.layers.fused import gradient_trial as trial
    from irbox.layers.fused.trial import difference

    define.KERNELS_ON_CPU = True
    limits = {torch.float32: 1e-5, torch.bfloat16: 2**-6}
    for dtype, limit in limits.items():
        assert trial.problem(torch.device('cpu'), dtype) is None
        for operator, twin, arguments in trial.calls(dtype):
            found, again, expected = (
                trial.read(operator, arguments, run(*arguments))
                for run in (operator, operator, twin)
            )
            assert difference(found, expected) <= limit, (operator, dtype)
            assert all(torch.equal(*pair) for pair in zip(found, again, strict=True)), operator
    honest = define._kernel

    def lying(*arguments):
        honest('norm_gradient_kernel', 'norm_gradient')(*arguments)
        arguments[-1].mul_(1.1)

    define._kernel = lambda *names: lying if names[1] == 'norm_gradient' else honest(*names)
    assert 'norm_gradient' in trial.problem(torch.device('cpu'), torch.float32)


def check_whole_blocks_that_learn():
    """Odd sizes, hidden widths of 127 and 255, heads of 48 and 96, norms of both kinds."""
    from irbox.layers.attention import TransposedAttention
    from irbox.layers.cross_attention import TransposedCrossAttention
    from irbox.layers.feed_forward import GatedFeedForward
    from irbox.layers.fused import define
    from irbox.layers.fused.switch import fused_on
    from irbox.layers.mamba_style_attention import MambaStyleAttention
    from irbox.layers.norm import LayerNorm2d

    define.KERNELS_ON_CPU = True
    for dim, size, bias in ((48, (17, 23), True), (96, (5, 3), False), (96, (1, 1), True)):
        x = (torch.randn(2, dim, *size) + 1).contiguous(memory_format=torch.channels_last)
        x.requires_grad_()
        for layer in (
            TransposedAttention(dim, 1, bias),
            GatedFeedForward(dim, bias=bias),
            MambaStyleAttention(dim, 2),
        ):
            norm, grad = LayerNorm2d(dim, bias), torch.randn_like(x)
            inputs = [x, *layer.parameters(), *norm.parameters()]
            plain = torch.autograd.grad(x + layer(norm(x)), inputs, grad)
            with fused_on('cpu', learns=True):
                answer = layer.add_to(x, norm)
            assert type(answer.grad_fn).__name__.startswith('_Fused')
            for one, other in zip(torch.autograd.grad(answer, inputs, grad), plain, strict=True):
                assert (one - other).abs().max() <= 1e-4 * other.abs().max() + 1e-5
    cross, source = TransposedCrossAttention(48, 2), torch.randn(2, 48, 9, 7)
    inputs = [source.requires_grad_(), *cross.parameters()]
    query = torch.randn(source.shape)
    plain = torch.autograd.grad(cross(query, source).square().sum(), inputs)
    with fused_on('cpu', learns=True):
        answer = cross(query, source)
    assert type(answer.grad_fn).__name__.startswith('_Fused')
    for one, other in zip(torch.autograd.grad(answer.square().sum(), inputs), plain, strict=True):
        assert (one - other).abs().max() <= 1e-4 * other.abs().max() + 1e-5


def check_whole_blocks():
    """Odd sizes, hidden widths of 127 and 255, heads of 48 and 96, norms of both kinds."""
    from irbox.layers.attention import TransposedAttention
    from irbox.layers.feed_forward import GatedFeedForward
    from irbox.layers.fused import define
    from irbox.layers.fused.switch import fused_on
    from irbox.layers.norm import LayerNorm2d

    define.KERNELS_ON_CPU = True
    for dim, size, bias in ((48, (17, 23), True), (96, (5, 3), False), (96, (1, 1), True)):
        x = (torch.randn(2, dim, *size) + 1).contiguous(memory_format=torch.channels_last)
        for layer in (TransposedAttention(dim, 1, bias), GatedFeedForward(dim, bias=bias)):
            norm = LayerNorm2d(dim, bias)
            with torch.no_grad():
                norm.weight.add_(0.3 * torch.randn(dim))
                plain = layer.add_to(x, norm)
                with fused_on('cpu'):
                    fused = layer.add_to(x, norm)
            assert (fused - plain).abs().max() <= 1e-5 * plain.std()
    # A second time: the same bits.
    with torch.no_grad(), fused_on('cpu'):
        assert torch.equal(layer.add_to(x, norm), fused)


def launches_of_a_network():
    """Run layers of the widths in use with launches recorded: one a call. Give them."""
    from irbox.benchmark.launches import CountLaunches
    from irbox.blocks import ADEC, MambaCNNBlock, MSTBlock, TransformerBlock
    from irbox.layers.fused import define, gradients, layers
    from irbox.layers.fused.switch import fused_on
    from irbox.structures import Context, DegradationPrior, Stage
    from irbox.triton_kernels.sizes import HALVED_FROM

    calls = []

    class Recorder:
        def __init__(self, kernel):
            self.kernel = kernel

        def __getitem__(self, grid):
            return lambda *args, **options: calls.append((self.kernel, args, options))

    for file, count in KERNELS.items():
        module = import_module(f'irbox.triton_kernels.{file}')
        names = [name for name in vars(module) if name.endswith('_kernel')]
        for name in names:
            setattr(module, name, Recorder(getattr(module, name)))
        assert len(names) == count
    define.KERNELS_ON_CPU = True
    prior = DegradationPrior(torch.zeros(1, 512), torch.zeros(1, 5), torch.zeros(1, 512))
    expert = {'type': 'MLPExpert', 'ratio': 1.5}
    router = {'type': 'ContextualPriorRouter'}
    for learns, dtype in product((False, True), (torch.float32, torch.bfloat16)):
        # With weights in bfloat16 as well, and sums in parts, which small maps do without.
        layers.HALVED_FROM = 0 if learns else HALVED_FROM
        gradients.SUMMED_IN_PARTS = 0
        for build, dim, heads in (
            (TransformerBlock, 48, 1),
            (TransformerBlock, 96, 1),
            (lambda s: ADEC(s, router, expert, {'type': 'MSTBlock'}, expert), 192, 4),
            (MSTBlock, 96, 2),
            (MambaCNNBlock, 384, 8),
        ):
            stage = Stage(dim, heads, prior_dim=512, num_degradations=5)
            x = torch.zeros(1, dim, 16, 16).to(dtype, memory_format=torch.channels_last)
            before = len(calls)
            half = torch.autocast('cpu', torch.bfloat16, enabled=dtype == torch.bfloat16)
            with (
                torch.set_grad_enabled(learns),
                fused_on('cpu', learns=learns),
                CountLaunches() as counting,
            ):
                with half:
                    answer = build(stage)(x, Context(x, prior))
                if learns:
                    answer.sum().backward()
            found = sum(counting.found.by_name[name] for name in define.NAMES)
            assert found == len(calls) - before
    return calls


def check_that_they_compile():
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    pointers = {
        torch.float32: '*fp32',
        torch.bfloat16: '*bf16',
        torch.int32: '*i32',
        torch.int64: '*i64',
    }
    seen = {}
    for kernel, args, options in launches_of_a_network():
        values = dict(zip(kernel.arg_names, args, strict=False)) | options
        options = {name: values.pop(name) for name in ('num_warps', 'num_stages') if name in values}
        types, constants, attributes = {}, {}, {}
        for index, name in enumerate(kernel.arg_names):
            value = values[name]
            if isinstance(value, torch.Tensor):
                types[name], whole = pointers[value.dtype], value.storage_offset() % 4 == 0
            elif name in options or value is None or isinstance(value, bool | str) or value == 1:
                types[name], constants[(index,)], whole = 'constexpr', value, False
            else:
                types[name], whole = ('fp32' if isinstance(value, float) else 'i32'), False
                whole = isinstance(value, int) and value % 16 == 0
            if kernel.params[index].is_constexpr:
                types[name], constants[(index,)], whole = 'constexpr', value, False
            if whole:
                attributes[(index,)] = [['tt.divisibility', 16]]
        key = kernel.__name__, str(sorted(types.items())), str(sorted(constants.items()))
        seen.setdefault(key, (kernel, types, constants, attributes, options))
    for number, (kernel, types, constants, attributes, options) in enumerate(seen.values()):
        source = ASTSource(kernel, types, constexprs=constants, attrs=attributes)
        # Each of both devices sees half of the variants, and all kernels.
        capability = (80, 90)[number % 2]
        binary = triton.compile(source, target=GPUTarget('cuda', capability, 32), options=options)
        assert binary.asm['cubin']
        assert binary.metadata.shared <= SHARED_MEMORY, (kernel.__name__, constants)
    names = {kernel.__name__ for kernel, *_ in seen.values()}
    assert len(names) == sum(KERNELS.values())


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
@pytest.mark.parametrize(
    'check',
    [
        check_that_they_equal_their_twins,
        check_that_those_of_backward_passes_do,
        check_whole_blocks,
        check_whole_blocks_that_learn,
    ],
)
def test_the_kernels_in_the_interpreter(check):
    run(check, TRITON_INTERPRET='1')


@pytest.mark.slow
def test_the_kernels_compile_for_gpus(tmp_path):
    run(check_that_they_compile, TRITON_CACHE_DIR=str(tmp_path))


if __name__ == '__main__':
    torch.manual_seed(0)
    globals()[sys.argv[1]]()
