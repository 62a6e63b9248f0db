import math

import pytest
import torch

from irbox.config import load_plugins
from irbox.registry import ROUTERS
from irbox.structures import Context, Stage
from irbox.testing import check_router
from support.paths import ROOT
from support.peers import trains

load_plugins([ROOT / 'plugins/capacity_router.py'])


def router(dim=8, num_experts=4, top_k=1, **options):
    options = {'type': 'CapacityRouter', **options}
    stage = Stage(dim=dim, heads=1)
    return ROUTERS.build(options, stage=stage, num_experts=num_experts, top_k=top_k)


def route(part, x):
    return part(x, Context(image=x))


def placed_one_by_one(wish, room, top_k):
    """The same rounds, pixel by pixel: (N, P) probabilities -> (N, P)."""
    experts, pixels = wish.shape
    taken = torch.zeros_like(wish)
    for choice in range(top_k):
        for _ in range(experts):
            left = [room - int(taken[e].sum()) for e in range(experts)]
            claims = {e: [] for e in range(experts)}
            for p in range(pixels):
                if taken[:, p].sum() > choice:
                    continue
                free = [e for e in range(experts) if left[e] > 0 and not taken[e, p]]
                if free:
                    claims[max(free, key=lambda e: wish[e, p].item())].append(p)
            for expert, pixels_ in claims.items():
                keenest = sorted(pixels_, key=lambda p: -wish[expert, p].item())
                for p in keenest[: left[expert]]:
                    taken[expert, p] = 1
    return taken


@pytest.mark.parametrize('top_k', [1, 2, 4])
def test_it_keeps_what_a_router_must_keep(top_k):
    part = ROUTERS.get('CapacityRouter')
    check_router(part, top_k=top_k)
    check_router(part, top_k=top_k, evaluation_capacity=1.0)


@pytest.mark.parametrize('top_k', [1, 2, 3])
@pytest.mark.parametrize('capacity', [1.0, 1.25, 3.0])
def test_pixels_go_where_they_would_one_by_one(capacity, top_k):
    part = router(num_experts=4, top_k=top_k, capacity=capacity)
    # One expert is most pixels' favourite.
    x = torch.randn(2, 8, 3, 5) + 2 * part.score.weight[0].detach()
    routing = route(part, x)
    room = min(math.ceil(capacity * top_k * 15 / 4), 15)
    chosen = (routing.weights > 0).float()
    for image in range(2):
        wanted = placed_one_by_one(routing.scores[image].flatten(1), room, top_k)
        torch.testing.assert_close(chosen[image].flatten(1), wanted)
    torch.testing.assert_close(routing.weights, routing.scores * chosen)
    torch.testing.assert_close(routing.load, chosen.sum((0, 2, 3)))


@pytest.mark.parametrize('size', [(1, 1), (3, 5), (16, 16)])
def test_every_pixel_finds_a_place_and_no_expert_takes_more_than_its_room(size):
    part = router(num_experts=6, capacity=1.0).train()
    with torch.no_grad():
        part.score.weight.zero_()
        part.score.weight[2] = 5  # the favourite of every pixel
    chosen = route(part, torch.rand(3, 8, *size)).weights > 0
    assert bool((chosen.sum(1) == 1).all())
    assert chosen.flatten(2).sum(2).max() <= math.ceil(size[0] * size[1] / 6)


def test_a_limit_spreads_what_would_collapse():
    part, x = router(), torch.rand(2, 8, 8, 8)
    with torch.no_grad():
        part.score.weight.zero_()
        part.score.weight[1] = 1
    assert (route(part.eval(), x).load > 0).tolist() == [False, True, False, False]
    assert (route(part.train(), x).load > 0).sum() == 4


def test_in_evaluation_a_pixel_does_not_depend_on_the_others():
    part, x = router().eval(), torch.randn(1, 8, 9, 9)
    whole = route(part, x).weights
    torch.testing.assert_close(route(part, x[..., :4]).weights, whole[..., :4])


@pytest.mark.parametrize('name', ['capacity', 'evaluation_capacity'])
def test_too_little_room_is_refused(name):
    with pytest.raises(ValueError, match=f'^{name}=0.5 leaves pixels without a place'):
        router(**{name: 0.5})


def test_a_config_trains_with_it():
    trains('capacity_router_demo.yaml')
