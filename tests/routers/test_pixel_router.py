import torch

from irbox.layers.top_k import top_k_weights
from irbox.routers import PixelRouter
from irbox.structures import Context, Stage
from irbox.testing import check_router

IMAGE = torch.zeros(2, 3, 8, 8)


def test_is_a_linear_layer_and_top_k():
    router = PixelRouter(Stage(dim=6, heads=1), num_experts=4, top_k=2)
    x = torch.randn(2, 6, 3, 5)
    routing = router(x, Context(IMAGE))
    scores = torch.einsum('nc,bchw->bnhw', router.score.weight.flatten(1), x)
    scores = scores + router.score.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(routing.weights, top_k_weights(scores, 2))
    assert routing.load.sum() == 2 * 2 * 15
    torch.testing.assert_close(routing.load, (routing.weights > 0).sum((0, 2, 3)).float())


def test_keeps_its_contract_with_all_experts_and_with_one():
    check_router(PixelRouter, num_experts=3, top_k=3)
    # The weight of the only expert is 1: nothing to learn.
    check_router(PixelRouter, num_experts=1, top_k=1, no_gradient=('score.weight', 'score.bias'))
