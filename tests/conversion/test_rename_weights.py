"""Renaming published weights: what is forgiven, and what is named."""

import re

import pytest
import torch
from torch import nn

from irbox.conversion import published_name, rename_weights


def network():
    return nn.ModuleDict({'first': nn.Conv2d(4, 6, 1), 'second': nn.Linear(6, 2, bias=False)})


def theirs(key):
    return published_name(key, {'first.': 'a.', 'second.': 'b.0.'}, {'bias': 'offset'})


def file():
    return {
        'a.weight': torch.randn(6, 4),
        'a.offset': torch.randn(1, 6),
        'b.0.weight': torch.randn(2, 6, 1, 1),
    }


def test_place_number_and_part():
    places, parts = {'encoders.0.': 'enc1.'}, {'norm1.': 'norm1.body.'}
    assert published_name('encoders.0.3.norm1.bias', places, parts) == 'enc1.3.norm1.body.bias'
    assert published_name('encoders.0.3.ffn.bias', places, parts) == 'enc1.3.ffn.bias'
    assert published_name('output.weight', places, parts) == 'output.weight'


@pytest.mark.parametrize('prefix', ['', 'net.', 'module.', 'module.net.'])
def test_prefixes_precision_and_ones_in_shapes_are_forgiven(prefix):
    given = {prefix + name: tensor.half() for name, tensor in file().items()}
    own = rename_weights(given, network(), theirs, 'Some')
    network().load_state_dict(own, strict=True)
    assert torch.equal(own['first.weight'].flatten(1), given[prefix + 'a.weight'].float())
    assert torch.equal(own['second.weight'], given[prefix + 'b.0.weight'].float()[..., 0, 0])
    # The tensors are copies: the file can go.
    given[prefix + 'a.offset'].zero_()
    assert own['first.bias'].any()


def test_what_may_be_left_out_is():
    more = {'net.idle.weight': torch.zeros(3)}
    own = rename_weights(file() | more, network(), theirs, 'Some', re.compile(r'idle\.'))
    assert own.keys() == network().state_dict().keys()
    with pytest.raises(ValueError, match=r'1 unknown \(idle.weight\)'):
        rename_weights(file() | more, network(), theirs, 'Some')


def test_every_fault_is_counted_and_named():
    given = file() | {'a.weight': torch.zeros(4, 6), 'x': torch.zeros(1)}
    del given['b.0.weight']
    with pytest.raises(ValueError, match='the 3 weights of Some') as error:
        rename_weights(given, network(), theirs, 'Some')
    text = str(error.value)
    assert '1 missing (b.0.weight)' in text and '1 unknown (x)' in text
    assert 'a.weight (4, 6) instead of (6, 4, 1, 1)' in text
