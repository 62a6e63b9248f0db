import logging
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from safetensors.torch import save_file
from torch import nn

from irbox.engine.checkpoint import (
    load_weights,
    pack_message_hub,
    read_checkpoint,
    to_plain,
    unpack_message_hub,
    write_checkpoint,
)

WEIGHTS = {'layer.weight': torch.arange(6.0).view(2, 3), 'layer.bias': torch.ones(2)}


class Malicious:
    """What a pickle can do: create a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_round_trip(tmp_path):
    path = tmp_path / 'a.pth'
    content = {
        'state_dict': WEIGHTS,
        'meta': {
            'iter': np.int64(3),
            'scale': np.float32(0.5),
            'path': Path('/x'),
            'sizes': (1, 2),
        },
        'history': np.arange(3),
    }
    write_checkpoint(content, path)
    read = read_checkpoint(path)
    assert read['meta'] == {'iter': 3, 'scale': 0.5, 'path': '/x', 'sizes': (1, 2)}
    assert read['history'].tolist() == [0, 1, 2]
    torch.testing.assert_close(read['state_dict'], WEIGHTS)
    # Anyone can read it safely.
    assert set(torch.load(path, weights_only=True)) == set(content)


def test_bare_state_dicts_and_safetensors(tmp_path):
    torch.save(WEIGHTS, tmp_path / 'bare.pth')
    save_file(WEIGHTS, tmp_path / 'a.safetensors')
    for name in ('bare.pth', 'a.safetensors'):
        torch.testing.assert_close(read_checkpoint(tmp_path / name)['state_dict'], WEIGHTS)


def test_code_is_refused_and_does_not_run(tmp_path):
    path, trace = tmp_path / 'evil.pth', tmp_path / 'ran'
    torch.save({'state_dict': WEIGHTS, 'extra': Malicious(trace)}, path)
    with pytest.raises(ValueError, match=r'evil\.pth is refused.*mkdir.*with safetensors'):
        read_checkpoint(path)
    assert not trace.exists()


@pytest.mark.parametrize('size', [0, 10, -300])
def test_damaged_files(tmp_path, size):
    path = tmp_path / 'a.pth'
    write_checkpoint({'state_dict': WEIGHTS}, path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r'a\.pth is damaged'):
        read_checkpoint(path)


def test_text_is_no_checkpoint(tmp_path):
    (tmp_path / 'a.pth').write_text('hello world\n')
    with pytest.raises(ValueError, match=r'a\.pth is damaged or no file of weights'):
        read_checkpoint(tmp_path / 'a.pth')


def test_damaged_safetensors(tmp_path):
    (tmp_path / 'a.safetensors').write_bytes(b'123')
    with pytest.raises(ValueError, match='is damaged'):
        read_checkpoint(tmp_path / 'a.safetensors')


def test_what_is_no_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'does not exist\.$'):
        read_checkpoint(tmp_path / 'none.pth')
    (tmp_path / 'final.pth').touch()
    with pytest.raises(FileNotFoundError, match=r'does not exist\. .* holds final\.pth'):
        read_checkpoint(tmp_path / 'none.pth')
    with pytest.raises(FileNotFoundError, match='is a folder'):
        read_checkpoint(tmp_path)
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match=r'list\.pth holds no state dict .* but a list'):
        read_checkpoint(tmp_path / 'list.pth')
    torch.save({'weights': {}, 'epoch': 3}, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=r'other\.pth holds no state dict .* but weights, epoch'):
        read_checkpoint(tmp_path / 'other.pth')


def test_things_without_a_plain_form_are_refused():
    with pytest.raises(TypeError, match='A Malicious cannot be saved'):
        to_plain({'a': [Malicious('/x')]})


class Model(nn.Module):
    def __init__(self, width=2):
        super().__init__()
        self.layer = nn.Linear(3, width)


def test_weights_that_fit():
    model = Model()
    load_weights(model, {f'module.{key}': value for key, value in WEIGHTS.items()}, 'a.pth')
    torch.testing.assert_close(dict(model.state_dict()), WEIGHTS)


def test_weights_of_another_architecture_are_counted_and_named():
    given = {'layer.weight': torch.zeros(4, 3)} | {f'extra.{i}': torch.zeros(1) for i in range(5)}
    with pytest.raises(ValueError) as caught:
        load_weights(Model(), given, 'a.pth')
    message = str(caught.value)
    assert 'a.pth is of another architecture. Of the 2 weights' in message
    assert '1 missing (layer.bias)' in message
    assert '5 unknown (extra.0, extra.1, extra.2, ...)' in message
    assert '1 of another shape (layer.weight (4, 3) instead of (2, 3))' in message


def test_message_hub_round_trip_in_another_folder(tmp_path):
    hub = MessageHub('here')
    for value in range(1500):
        hub.update_scalar('train/loss', float(value))
    hub.update_info('best_ckpt', '/old/place/best_mean_psnr_iter_8.pth')
    hub.update_info('last_ckpt', '/old/place/iter_8.pth')
    hub.update_info('best_score', 21.5)
    hub.update_info('odd', object())
    path = tmp_path / 'a.pth'
    write_checkpoint({'state_dict': {}, 'message_hub': pack_message_hub(hub)}, path)

    again = MessageHub('there')
    logging.disable()  # mmengine notes what is not resumed
    again.load_state_dict(unpack_message_hub(read_checkpoint(path)['message_hub'], tmp_path))
    logging.disable(logging.NOTSET)
    assert again.get_info('best_ckpt') == str(tmp_path / 'best_mean_psnr_iter_8.pth')
    assert again.get_info('last_ckpt') == str(tmp_path / 'iter_8.pth')
    assert again.get_info('best_score') == 21.5
    assert again.get_info('odd') is None
    history = again.get_scalar('train/loss')
    assert (len(history.data[0]), history.current()) == (1000, 1499)
    assert history.mean(10) == hub.get_scalar('train/loss').mean(10)


class Whole(nn.Module):
    """As a restorer holds its network."""

    def __init__(self):
        super().__init__()
        self.network = nn.Linear(3, 2)


@pytest.mark.parametrize('prefix', ['', 'network.', 'module.network.'])
def test_weights_of_a_network_alone_are_those_of_the_whole(prefix):
    model, given = Whole(), nn.Linear(3, 2).state_dict()
    load_weights(model, {f'{prefix}{key}': value for key, value in given.items()}, 'a')
    assert torch.equal(model.network.weight, given['weight'])


def test_weights_of_another_network_are_named_as_they_were_given():
    with pytest.raises(ValueError, match='2 unknown .layer.weight'):
        load_weights(Whole(), WEIGHTS, 'a')
