"""Every way to scan on a CUDA device, against the reference and each other."""

import pytest
import torch
from test_selective_scan import assert_near, gradients, make, reference

from irbox.layers.mamba import Mamba, causal_convolution_kernel
from irbox.layers.selective_scan import dispatch as module
from irbox.layers.selective_scan import mamba_ssm_scan, operator, selective_scan

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]

# Upstream's own tolerances for float32 answers; the kernels use fast exponentials.
KERNEL_TOLERANCE = {'rtol': 6e-4, 'atol': 2e-3}


def on_device(tensors):
    return [t.detach().cuda().requires_grad_() for t in tensors]


@pytest.fixture
def kernels():
    if trouble := mamba_ssm_scan.problem():
        pytest.skip(trouble)


@pytest.mark.parametrize('path', ['levels', 'triton'])
@pytest.mark.parametrize('largest_step', [0.1, 70.0])
@pytest.mark.parametrize('length', [1, 7, 196, 784, 5400])
def test_own_paths_equal_the_reference(monkeypatch, length, largest_step, path):
    if path == 'triton' and (trouble := operator.triton_problem(0)):
        pytest.fail(trouble)
    monkeypatch.setattr(module, 'choose_path', lambda *_: path)
    tensors = on_device(make(2, length, dim=20, state=16, largest_step=largest_step))
    expected = reference(*tensors, delta_softplus=True)
    y = selective_scan(*tensors, delta_softplus=True)
    found = [gradients(answer, tensors) for answer in (y, expected)]
    assert_near([y, *found[0]], [expected, *found[1]], tolerance=5e-5)


@pytest.mark.parametrize('length', [1, 7, 196, 784, 2048, 5400])
def test_mamba_ssm_equals_torch(kernels, length):
    tensors = on_device(make(2, length, dim=24, state=16))
    results = []
    for backend in ('cuda', 'torch'):
        y = selective_scan(*tensors, delta_softplus=True, backend=backend)
        results.append((y, torch.autograd.grad((y * torch.cos(y.detach())).sum(), tensors)))
    (y, grads), (expected, wanted) = results
    torch.testing.assert_close(y, expected, **KERNEL_TOLERANCE)
    # Gradients add up rounding over the sequence: upstream's tests loosen them likewise.
    assert_near(grads, wanted, tolerance=5e-3)


def test_mamba_ssm_compiles_in_one_graph(kernels):
    tensors = on_device(make(1, 100))
    y = selective_scan(*tensors, delta_softplus=True, backend='cuda')
    compiled = torch.compile(selective_scan, backend='aot_eager', fullgraph=True)
    torch.testing.assert_close(compiled(*tensors, delta_softplus=True, backend='cuda'), y)


def test_the_fused_convolution_equals_torch():
    if causal_convolution_kernel('cuda', 'auto') is None:
        pytest.skip('causal-conv1d cannot be imported')
    layer = Mamba(32).cuda()
    u = torch.randn(2, 64, 100, device='cuda')
    fused = layer._convolve(u)
    layer.backend = 'torch'
    torch.testing.assert_close(fused, layer._convolve(u), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('precision', ['highest', 'high'])
def test_the_layer_on_the_device_equals_the_layer_on_the_cpu(precision):
    torch.manual_seed(0)
    layer = Mamba(32)
    x = torch.randn(2, 100, 32)
    expected = layer(x)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(precision)
        for backend in ('auto', 'torch'):
            layer.backend = backend
            y = layer.cuda()(x.cuda())
            # TF32 rounds the layer's matrix products, never the scan.
            tolerance = 1e-4 if precision == 'highest' else 5e-3
            assert_near([y.cpu()], [expected], tolerance)
    finally:
        torch.set_float32_matmul_precision(before)
