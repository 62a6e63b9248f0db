import torch
from torch import nn

from irbox.engine.optim import AutocastOptimWrapper


def test_losses_are_computed_in_bfloat16_and_weights_stay():
    model = nn.Linear(4, 4)
    wrapper = AutocastOptimWrapper(
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1), accumulative_counts=2
    )
    before = model.weight.detach().clone()
    for step in range(2):
        with wrapper.optim_context(model):
            output = model(torch.ones(2, 4))
        assert output.dtype == torch.bfloat16
        wrapper.update_params(output.float().mean())
        assert torch.equal(model.weight, before) == (step == 0)
    assert model.weight.dtype == torch.float32
    assert model(torch.ones(1, 4)).dtype == torch.float32
