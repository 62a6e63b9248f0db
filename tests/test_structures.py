import dataclasses

import pytest
import torch

from irbox.structures import Context, DegradationPrior, Gate, Routing, Stage


def test_a_stage_without_prior_and_prompt_says_zero():
    stage = Stage(dim=8, heads=2)
    assert (stage.prior_dim, stage.num_degradations, stage.prompt_dim) == (0, 0, 0)


@pytest.mark.parametrize(
    'record',
    [
        Stage(dim=8, heads=2),
        Routing(torch.ones(1, 1, 1, 1), torch.ones(1)),
        DegradationPrior(torch.ones(1, 2), torch.ones(1, 1), torch.ones(1, 2)),
        Gate(torch.ones(1, 1, 1, 1), weighs='cnn'),
    ],
)
def test_what_is_known_cannot_be_changed(record):
    field = dataclasses.fields(record)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, field, None)


def test_a_context_keeps_records_in_order_and_to_itself():
    one, other = Context(torch.zeros(1, 3, 2, 2)), Context(torch.zeros(1, 3, 2, 2))
    routings = [Routing(torch.ones(1, 1, 1, 1), torch.ones(1)) for _ in range(2)]
    for routing in routings:
        one.record(routing)
    assert one.routings == routings and other.routings == []


def test_a_replaced_context_shares_its_records():
    # RestorationUNet hands its blocks the padded image this way.
    context = Context(torch.zeros(1, 3, 2, 2))
    padded = dataclasses.replace(context, image=torch.zeros(1, 3, 8, 8))
    padded.record(Routing(torch.ones(1, 1, 1, 1), torch.ones(1)))
    assert len(context.routings) == 1


def test_gates_are_kept_only_for_those_who_ask():
    gate = Gate(torch.ones(1, 1, 2, 2), weighs='attention')
    context = Context(torch.zeros(1, 3, 2, 2))
    context.record_gate(gate)
    assert context.gates is None
    asked = dataclasses.replace(context, gates=[])
    dataclasses.replace(asked, image=torch.zeros(1, 3, 8, 8)).record_gate(gate)
    assert asked.gates == [gate]
