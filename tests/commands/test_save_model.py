import pytest
import torch
from safetensors.torch import load_file

import irbox
from irbox.commands.main import tool
from support.tiny_model import tiny_model


@pytest.fixture
def given(tmp_path):
    return tiny_model().save(tmp_path / 'given')


def save(*arguments):
    return tool('save-model')([*map(str, arguments)])


def test_what_it_says_of_itself(tmp_path, capsys, given):
    card = ['--name', 'mine', '--licence', 'CC0-1.0', '--tasks', 'haze', '--trained-on', 'discs']
    save(given, tmp_path / 'out', *card)
    said = capsys.readouterr().out
    assert 'mine, ' in said and ' parameters, ' in said
    model = irbox.load(tmp_path / 'out')
    assert (model.name, model.licence, model.tasks) == ('mine', 'CC0-1.0', ['haze'])
    assert model.source == f'{tmp_path / "out"}, trained on discs'
    assert '* Trained on: discs' in (tmp_path / 'out/README.md').read_text()
    # What was not said stays.
    assert model.card.degradations == ['haze', 'rain', 'noise']
    assert irbox.load(given).digest == model.digest


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_half_of_the_file(tmp_path, given, dtype):
    save(given, tmp_path / 'half', '--dtype', dtype)
    whole = load_file(given / 'model.safetensors')
    half = load_file(tmp_path / 'half/model.safetensors')
    assert {str(one.dtype) for one in half.values()} == {f'torch.{dtype}'}
    network = irbox.load(tmp_path / 'half').network.state_dict()
    for key, value in whole.items():
        rounded = value.to(getattr(torch, dtype))
        assert torch.equal(half[key], rounded)
        # It computes in float32.
        assert torch.equal(network[key], rounded.float())


def test_weights_that_do_not_fit(tmp_path):
    model = tiny_model()
    with torch.no_grad():
        model.network.output.weight.fill_(1e6)
    model.save(tmp_path / 'large')
    with pytest.raises(ValueError, match='output.weight holds values that are not finite as float'):
        save(tmp_path / 'large', tmp_path / 'half', '--dtype', 'float16')
    assert not (tmp_path / 'half/config.json').exists()
