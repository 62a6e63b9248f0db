"""What experts, blocks and routers must keep, one call per kind: for our tests and for plug-ins.

Each function builds the part on the CPU at a small size and raises an ``AssertionError`` that names
the part, the promise that it broke and what to do about it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from irbox.structures import Routing, Stage
from irbox.testing.calling import check_signatures, require
from irbox.testing.promises import Case, check_promises
from irbox.testing.samples import STAGE, Inputs, places, sample_context, sample_inputs

# pytest shows the author's own line, not ours.
__tracebackhide__ = True


def check_expert(
    expert: Callable[..., nn.Module],
    *,
    dim: int = 16,
    no_gradient: Sequence[str] = (),
    **options: Any,
) -> None:
    """Check that an expert keeps its contract.

    ``expert(x)`` keeps shape and dtype at any size, one image's answer is the same alone and in a
    batch, evaluation repeats itself, every trainable weight gets a gradient, nothing of a call
    stays on the module or in its input, automatic mixed precision and the meta device work, and the
    state dict holds all that decides the answer. An expert that declares ``pointwise = True`` gives
    each pixel the same answer whatever stands beside it.

    Args:
        expert: The class.
        dim: C.
        no_gradient: Names of weights that get no gradient, or always zero, on purpose.
        **options: The expert's own options.

    Raises:
        AssertionError: A promise is broken.

    Examples:
        >>> check_expert(nn.GELU)
        Traceback (most recent call last):
        irbox.testing.calling.BrokenPromiseError: GELU ...
    """
    check_signatures(expert, 'expert', given=['dim'], options=options, inputs=['x'])
    case = Case(
        name=expert.__name__,
        build=partial(expert, dim=dim, **options),
        inputs=lambda batch, height, width: {'x': torch.randn(batch, dim, height, width)},
        call=lambda module, given: {'output': module(given['x'])},
        verify=_same_as_x,
        no_gradient=no_gradient,
    )
    module = check_promises(case)
    if getattr(module, 'pointwise', False):
        x = torch.randn(1, dim, 4, 6)
        mixed = torch.randperm(24)
        with torch.no_grad():
            answer = module(x).flatten(2)[..., mixed]
            shuffled = module(x.flatten(2)[..., mixed].view_as(x)).flatten(2)
        require(
            torch.allclose(answer, shuffled, atol=1e-5),
            case.name,
            'declares pointwise = True, but a pixel changes with its neighbours. '
            'Remove the declaration: the mixture gathers single pixels for pointwise experts',
        )


def check_block(
    block: Callable[..., nn.Module],
    *,
    stage: Stage = STAGE,
    no_gradient: Sequence[str] = (),
    **options: Any,
) -> None:
    """Check that a block keeps its contract.

    The promises of ``check_expert`` (``pointwise`` apart) for ``block(x, context)``. What it
    records in the context has the shapes of a ``Routing``. In a network without prior and prompt it
    either works or is refused when it is built, by a ``ValueError``.

    Args:
        block: The class.
        stage: Where it is built.
        no_gradient: Names of weights that get no gradient, or always zero, on purpose.
        **options: The block's own options.

    Raises:
        AssertionError: A promise is broken.
    """
    inputs = ['x', 'context']
    check_signatures(block, 'block', given=['stage'], options=options, inputs=inputs)

    def call(module: nn.Module, given: Inputs) -> Inputs:
        context = sample_context(given)
        context.records = []
        output = module(given['x'], context)
        for what in context.records:
            # Records of other kinds are the part's own affair; a bare tensor is of none.
            if isinstance(what, (Routing, Tensor)):
                _verify_routing(block.__name__, cast(Routing, what), given['x'])
        return {'output': output}

    for tried_stage in places(block, stage, options):
        case = Case(
            name=block.__name__,
            build=partial(block, stage=tried_stage, **options),
            inputs=partial(sample_inputs, tried_stage),
            call=call,
            verify=_same_as_x,
            no_gradient=no_gradient,
        )
        _check_at(tried_stage, case)


def check_router(
    router: Callable[..., nn.Module],
    *,
    stage: Stage = STAGE,
    num_experts: int = 4,
    top_k: int = 2,
    no_gradient: Sequence[str] = (),
    **options: Any,
) -> None:
    """Check that a router keeps its contract.

    The promises of ``check_block`` for ``router(x, context)``. The weights are (B, N, H, W),
    float32 also under automatic mixed precision, non-negative, with one to K experts per pixel; the
    load is (N,).

    Args:
        router: The class.
        stage: Where it is built.
        num_experts: N.
        top_k: K.
        no_gradient: Names of weights that get no gradient, or always zero, on purpose.
        **options: The router's own options.

    Raises:
        AssertionError: A promise is broken.
    """
    injected = ['stage', 'num_experts', 'top_k']
    inputs = ['x', 'context']
    check_signatures(router, 'router', given=injected, options=options, inputs=inputs)
    name = router.__name__

    def call(module: nn.Module, given: Inputs) -> Inputs:
        routing = module(given['x'], sample_context(given))
        require(isinstance(routing, Routing), name, f'gives {type(routing)}, not a Routing')
        _verify_routing(name, routing, given['x'])
        return {'weights': routing.weights}

    def verify(given: Inputs, outputs: Inputs) -> None:
        batch, _, height, width = given['x'].shape
        weights = outputs['weights']
        wanted = (batch, num_experts, height, width)
        require(weights.shape == wanted, name, f'weights are {tuple(weights.shape)}, not {wanted}')
        require(weights.dtype == torch.float32, name, f'weights are {weights.dtype}, not float32')
        if not weights.is_meta:
            require(bool((weights >= 0).all()), name, 'weights are negative')
            chosen = (weights > 0).sum(1)
            require(
                bool((chosen >= 1).all() and (chosen <= top_k).all()),
                name,
                f'pixels have {int(chosen.min())} to {int(chosen.max())} experts, '
                f'not 1 to top_k={top_k}. Set the weights of the others to exactly zero',
            )

    for tried_stage in places(router, stage, options, num_experts=num_experts, top_k=top_k):
        case = Case(
            name=name,
            build=partial(
                router, stage=tried_stage, num_experts=num_experts, top_k=top_k, **options
            ),
            inputs=partial(sample_inputs, tried_stage),
            call=call,
            verify=verify,
            no_gradient=no_gradient,
            exact_under_autocast=True,
        )
        _check_at(tried_stage, case)


def _check_at(place: Stage, case: Case) -> None:
    if not place.prior_dim and not place.prompt_dim:
        hint = (
            'Leave their terms out there, or refuse it in __init__ by a ValueError that says what '
            'is needed'
        )
        case = replace(case, hint=hint, network='in a network without prior and prompt, ')
    check_promises(case)


def _same_as_x(given: Inputs, outputs: Inputs) -> None:
    x, output = given['x'], outputs['output']
    assert isinstance(output, Tensor), (
        f'gives a {type(output).__name__}, not a tensor. Return the map alone; a block records its '
        'Routing in the context'
    )
    assert output.shape == x.shape, (
        f'gives {tuple(output.shape)} for {tuple(x.shape)}. Experts and blocks keep the shape'
    )
    if not torch.is_autocast_enabled('cpu'):
        assert output.dtype == x.dtype, f'gives {output.dtype} for {x.dtype}'


def _verify_routing(name: str, routing: Routing, x: Tensor) -> None:
    require(isinstance(routing, Routing), name, f'records {routing!r}, not a Routing')
    weights, load = routing.weights, routing.load
    require(
        weights.ndim == 4 and weights.shape[0] == x.shape[0] and weights.shape[2:] == x.shape[2:],
        name,
        f'routes by weights {tuple(weights.shape)}; (B, N, H, W) is needed for x {tuple(x.shape)}',
    )
    require(
        load.shape == (weights.shape[1],),
        name,
        f'reports a load {tuple(load.shape)}; (N,) is needed: ({weights.shape[1]},)',
    )
    batch, _, height, width = weights.shape
    for field, value, wanted in (
        ('scores', routing.scores, tuple(weights.shape)),
        ('shared', routing.shared, (batch, 1, height, width)),
    ):
        require(
            value is None or value.shape == wanted,
            name,
            f'gives {field} that are not {wanted}, as its weights ask for',
        )
