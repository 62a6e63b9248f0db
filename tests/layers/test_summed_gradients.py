"""Gradients that a layer takes by autograd where they are differentiated themselves."""

import torch

from irbox.layers.summed_gradients import apart, differentiate


class Product(torch.autograd.Function):
    """Of two maps, as layers of two maps are written."""

    @staticmethod
    def forward(ctx, one, other):
        ctx.save_for_backward(one, other)
        return one * other

    @staticmethod
    def backward(ctx, grad):
        maps = apart(*ctx.saved_tensors)
        return differentiate(maps[0] * maps[1], maps, grad, again=True)


def test_maps_that_are_made_of_one_another():
    x = torch.tensor(3.0, requires_grad=True)
    answer = Product.apply(x**2, x)
    (first,) = torch.autograd.grad(answer, x, create_graph=True)
    (second,) = torch.autograd.grad(first, x)
    assert (first.item(), second.item()) == (27, 18)


def test_what_needs_no_gradient_gets_none():
    x, fixed = torch.ones(2, requires_grad=True), torch.full((2,), 5.0)
    maps = apart(fixed, x)
    nothing, found = differentiate(maps[0] * maps[1], maps, torch.ones(2))
    assert nothing is None and found.tolist() == [5, 5]
