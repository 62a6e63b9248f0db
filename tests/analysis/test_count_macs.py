import pytest
import torch

from irbox.analysis.count_macs import SCAN_MACS_PER_STATE, count_macs, sparse_share
from irbox.networks import RestorationUNet

DIM, HEIGHT, WIDTH = 8, 16, 24
PIXELS = HEIGHT * WIDTH
BLOCK = {'block': {'type': 'TransformerBlock', 'ratio': 2.0}}
SMALL = {'dim': DIM, 'depths': (1, 1), 'heads': (1, 2), 'refinement': 1}
ROUTED = {
    'type': 'DDER',
    'num_experts': 6,
    'top_k': 2,
    'router': {'type': 'PixelRouter'},
    'expert': {'type': 'MLPExpert', 'ratio': 2.0},
}


def build(device='meta', **options):
    places = {'encoder': BLOCK, 'bottleneck': BLOCK, 'decoder': BLOCK}
    with torch.device(device):
        return RestorationUNet(**(SMALL | places | options)).eval()


def block_macs(dim, pixels, activations):
    """A TransformerBlock of ratio 2: qkv, its depthwise, projection; in, depthwise, out."""
    attention = 3 * dim * dim + 9 * 3 * dim + dim * dim
    hidden = 2 * dim
    feed_forward = 2 * hidden * dim + 9 * 2 * hidden + hidden * dim
    return pixels * (attention + feed_forward + (hidden if activations else 0))


def attention_products(dim, heads, pixels, images=1):
    """Exactly: q k^T, and the weights folded into the projection instead of applied."""
    per_head = dim // heads
    return pixels * dim * per_head + dim * dim * per_head


def u_macs(activations=True):
    low = PIXELS // 4
    stem = PIXELS * 27 * DIM
    down = PIXELS * 9 * DIM * DIM // 2
    up = low * 9 * 2 * DIM * 4 * DIM
    output = PIXELS * 27 * 2 * DIM
    blocks = block_macs(DIM, PIXELS, activations) + block_macs(2 * DIM, low, activations)
    return stem + down + up + output + blocks + 2 * block_macs(2 * DIM, PIXELS, activations)


def test_papers_convention_by_hand():
    assert count_macs(build(), HEIGHT, WIDTH).total() == u_macs()


def test_exact_convention_by_hand():
    exact = count_macs(build(), HEIGHT, WIDTH, 'exact').total()
    products = (
        attention_products(DIM, 1, PIXELS)
        + attention_products(2 * DIM, 2, PIXELS // 4)
        + 2 * attention_products(2 * DIM, 1, PIXELS)
    )
    assert exact == u_macs(activations=False) + products


@pytest.mark.parametrize('convention', ['papers', 'exact'])
def test_the_device_does_not_matter(convention):
    counts = [count_macs(build(device), HEIGHT, WIDTH, convention) for device in ('meta', 'cpu')]
    assert counts[0] == counts[1]


@pytest.mark.parametrize('convention', ['papers', 'exact'])
def test_modules_spend_what_they_say(convention):
    macs = count_macs(build(), HEIGHT, WIDTH, convention)
    assert min(macs.values()) >= 0
    assert macs['embed'] == PIXELS * 27 * DIM
    assert macs['encoders.0.0.ffn.dwconv'] == PIXELS * 9 * 4 * DIM


def test_experts_count_for_every_pixel_or_for_those_selected():
    network = build(encoder=BLOCK | {'before_level': ROUTED})
    dense = count_macs(network, HEIGHT, WIDTH)
    expert = PIXELS * (2 * DIM * 2 * DIM + 2 * DIM)  # two layers and the activation
    router = PIXELS * 6 * (DIM + 1)  # one convolution, with its bias
    assert dense.total() == u_macs() + 6 * expert + router
    assert sparse_share(network, dense).total() == u_macs() + 2 * expert + router
    assert dense.total() == u_macs() + 6 * expert + router  # the count itself stays


def test_the_scan_counts_exactly_and_not_in_the_papers():
    mamba = {'block': {'type': 'MambaCNNBlock'}}
    network = build(bottleneck=mamba)
    exact = count_macs(network, HEIGHT, WIDTH, 'exact')
    scan = PIXELS // 4 * (2 * 2 * DIM) * 16 * SCAN_MACS_PER_STATE
    layer = 'bottleneck.0.branches.mamba'
    # The scan is all that the layer itself spends; its children are linear layers.
    assert exact[layer] == scan
    assert count_macs(network, HEIGHT, WIDTH)[layer] == 0


def test_hooks_are_gone_afterwards():
    network = build()
    count_macs(network, HEIGHT, WIDTH)
    for module in network.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
