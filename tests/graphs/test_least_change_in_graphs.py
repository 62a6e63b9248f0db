"""In a graph, too, an image that needs nothing comes back as it is."""

import pytest
import torch

from irbox.graphs.given_context import context_inputs
from irbox.graphs.onnx_file import to_onnx
from irbox.graphs.trace import trace, trace_given_context
from support.believing_unet import believing_unet, without

SIZES = [(45, 66), (64, 64), (101, 83)]


CASES = [
    pytest.param(0.5, id='nothing', marks=pytest.mark.slow),
    pytest.param(3, id='a part'),
    pytest.param(12, id='all', marks=pytest.mark.slow),
]


@pytest.fixture(scope='module', params=CASES)
def network(request):
    return believing_unet(levels=request.param, least_change=3)


@torch.no_grad()
def test_traced_it_judges_every_image(network):
    module = trace(network).module()
    for size in SIZES:
        image = torch.rand(3, 3, *size)
        wanted = network(image)
        # Inside it is padded by another way of counting: what is kept whole differs by rounding.
        torch.testing.assert_close(module(image=image), wanted, atol=2e-6, rtol=1e-5)
        if torch.equal(wanted, image):
            assert torch.equal(module(image=image), image)


@torch.no_grad()
def test_told_what_is_known_it_is_the_same(network):
    program = trace_given_context(network)
    image = torch.rand(2, 3, 50, 61)
    context = network.describe(image)
    given = context_inputs(context)
    given['probabilities'] = torch.tensor([[0.0, 0.2, 0.8], [0.5, 0.5, 0.0]])
    answer = program.module()(image=image, **given)
    plain = without(network)(image, context)
    torch.testing.assert_close(answer[1], plain[1], atol=2e-6, rtol=1e-5)
    context.prior.probabilities.copy_(given['probabilities'])
    torch.testing.assert_close(answer, network(image, context), atol=2e-6, rtol=1e-5)


@pytest.mark.slow
@torch.no_grad()
def test_in_onnx(network):
    runtime = pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    graph = to_onnx(trace(network), {}).SerializeToString()
    session = runtime.InferenceSession(graph, providers=['CPUExecutionProvider'])
    for size in SIZES:
        image = torch.rand(2, 3, *size)
        (answer,) = session.run(['output'], {'input': image.numpy()})
        wanted = network(image)
        torch.testing.assert_close(torch.from_numpy(answer), wanted, atol=5e-6, rtol=1e-5)
        if torch.equal(wanted, image):
            assert torch.equal(torch.from_numpy(answer), image)
