"""What priors and losses must keep, one call per kind: for our tests and for plug-ins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from irbox.structures import DegradationPrior, Routing
from irbox.testing.calling import answer, check_signatures, require
from irbox.testing.promises import Case, attributes, check_promises, nothing_kept
from irbox.testing.samples import IMAGES, STAGE, Inputs, sample_context, sample_inputs

# pytest shows the author's own line, not ours.
__tracebackhide__ = True


def check_prior(
    prior: Callable[..., nn.Module], *, no_gradient: Sequence[str] = (), **options: Any
) -> None:
    """Check that a prior, or a prompt, keeps its contract.

    The promises of ``check_expert`` (``pointwise`` apart) for ``prior(image)``, at image sizes down
    to one pixel. A prior says ``feature_dim`` (F) and ``num_degradations`` (D) and gives features
    and content (B, F) and probabilities (B, D) that sum to 1; a prompt says ``prompt_dim`` (M) and
    gives (B, M). What a prior gives is float32 also under automatic mixed precision.

    Args:
        prior: The class.
        no_gradient: Names of weights that get no gradient, or always zero, on purpose.
        **options: Its options.

    Raises:
        AssertionError: A promise is broken.
    """
    check_signatures(prior, 'prior', given=[], options=options, inputs=['image'])
    name = prior.__name__
    sizes: dict[str, int] = {}

    def build() -> nn.Module:
        module = prior(**options)
        if hasattr(module, 'prompt_dim'):
            size_attributes = {'prompt': 'prompt_dim'}
        else:
            for attribute in ('feature_dim', 'num_degradations'):
                require(
                    isinstance(getattr(module, attribute, None), int),
                    name,
                    f'does not say {attribute}. Set it in __init__: parts are built with it '
                    '(a prompt says prompt_dim instead)',
                )
            size_attributes = {
                'features': 'feature_dim',
                'probabilities': 'num_degradations',
                'content': 'feature_dim',
            }
        sizes.update(
            {key: getattr(module, attribute) for key, attribute in size_attributes.items()}
        )
        return module

    def call(module: nn.Module, given: Inputs) -> Inputs:
        found = module(given['image'])
        if 'prompt' in sizes:
            wanted = isinstance(found, Tensor)
            require(wanted, name, f'gives a {type(found).__name__}, not a tensor (B, M)')
            return {'prompt': found}
        wanted = isinstance(found, DegradationPrior)
        require(wanted, name, f'gives a {type(found).__name__}, not a DegradationPrior')
        return {key: getattr(found, key) for key in sizes}

    def verify(given: Inputs, outputs: Inputs) -> None:
        for key, size in sizes.items():
            wanted = (given['image'].shape[0], size)
            found = outputs[key]
            require(found.shape == wanted, name, f'{key} is {tuple(found.shape)}, not {wanted}')
            require(
                found.dtype == torch.float32 or key == 'prompt',
                name,
                f'{key} is {found.dtype}, not float32',
            )
        probabilities = outputs.get('probabilities')
        if probabilities is not None and not probabilities.is_meta:
            total = probabilities.sum(1)
            require(
                bool((probabilities >= 0).all()) and torch.allclose(total, torch.ones_like(total)),
                name,
                'probabilities do not sum to 1 over the degradations',
            )

    case = Case(
        name=name,
        build=build,
        inputs=lambda batch, height, width: {'image': torch.rand(batch, 3, height, width)},
        call=call,
        verify=verify,
        no_gradient=no_gradient,
        sizes=IMAGES,
    )
    check_promises(case)


def check_loss(
    loss: Callable[..., nn.Module], *, labels: Sequence[str] = ('haze', 'rain'), **options: Any
) -> None:
    """Check that a loss keeps its contract.

    ``loss(restored, target, context)`` is a finite float32 scalar, repeats itself, is multiplied by
    ``weight``, gives a finite gradient to the restored images, the prior's probabilities or the
    routings' weights, also where the images are restored perfectly, and keeps nothing. (With
    ``label`` as a fourth argument where the class says ``uses_label``: for one more version.)

    Args:
        loss: The class. It is judged on two images with a prior of three degradations and two
            routings of four experts.
        labels: The degradations of the two images, in ``context.labels``.
        **options: The loss's own options.

    Raises:
        AssertionError: A promise is broken.
    """
    inputs = ['restored', 'target', 'context']
    if getattr(loss, 'uses_label', False):
        inputs.append('label')
    check_signatures(loss, 'loss', given=['weight'], options=options, inputs=inputs)
    name = loss.__name__
    single, double = loss(weight=1.0, **options), loss(weight=2.0, **options)
    before = dict(attributes(single))
    for perfect in (False, True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            target = torch.rand(2, 3, 17, 12)
            restored = target.clone() if perfect else torch.rand_like(target)
            sampled = sample_inputs(STAGE, 2, 17, 12)
            scores = torch.randn(2, 2, 4, 17, 12, requires_grad=True)
        restored.requires_grad_()
        sampled['probabilities'].requires_grad_()
        context = sample_context(sampled)
        context.labels = list(labels)
        for score in scores:
            context.record(Routing(weights=score.softmax(1), load=score.softmax(1).sum((0, 2, 3))))
        label = (list(labels),) if getattr(loss, 'uses_label', False) else ()
        value = answer(
            name,
            partial(single, restored, target, context, *label),
            'on two images with a prior and two routings',
            'It is given tensors (2, 3, 17, 12) and a context',
        )
        kind = type(value).__name__
        require(isinstance(value, Tensor), name, f'gives a {kind}, not a scalar tensor')
        require(value.shape == (), name, f'gives the shape {tuple(value.shape)}, not a scalar')
        require(value.dtype == torch.float32, name, f'gives {value.dtype}, not float32')
        require(bool(value.isfinite()), name, f'gives {value.item()}')
        again = single(restored, target, context, *label)
        require(torch.equal(value, again), name, 'gives two values for the same images')
        twice = double(restored, target, context, *label)
        require(torch.allclose(twice, 2 * value), name, 'is not multiplied by its weight')
        leaves = [restored, sampled['probabilities'], scores]
        require(value.requires_grad, name, 'gives a value without a gradient')
        gradients = torch.autograd.grad(value, leaves, allow_unused=True)
        reached = [gradient for gradient in gradients if gradient is not None]
        where = ' of perfectly restored images' if perfect else ''
        require(
            all(bool(gradient.isfinite().all()) for gradient in reached),
            name,
            f'gives a gradient{where} that is not finite. Add a small constant under roots and '
            'logarithms',
        )
        if not perfect:
            moved = any(bool(gradient.any()) for gradient in reached)
            require(moved, name, 'gives a gradient that is zero everywhere')
    nothing_kept(name, single, before)
