"""Files of weights: what each kind of damage is answered with, and what fits a network."""

import hashlib
import os
import pickle
import stat

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from irbox.utils.weights import (
    bare_name,
    check_file,
    fingerprint,
    misfits,
    read_state_dict,
    read_weights,
    state_dict_of,
    write_safetensors,
    write_weights,
)

WEIGHTS = {'a.weight': torch.arange(6.0).view(2, 3), 'a.count': torch.tensor(3)}


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.fixture(params=['zip', 'old', 'safetensors'])
def file(request, tmp_path):
    if request.param == 'safetensors':
        save_file(WEIGHTS, tmp_path / 'w.safetensors')
        return tmp_path / 'w.safetensors'
    zipped = request.param == 'zip'
    torch.save(WEIGHTS, tmp_path / 'w.pth', _use_new_zipfile_serialization=zipped)
    return tmp_path / 'w.pth'


@pytest.mark.parametrize('mapped', [False, True])
def test_every_form_is_read(file, mapped):
    torch.testing.assert_close(read_weights(file, mapped=mapped), WEIGHTS)


def test_names_and_shapes_without_memory(file):
    found = read_weights(file, 'meta')
    assert {key: (tensor.device.type, tensor.shape) for key, tensor in found.items()} == {
        'a.weight': ('meta', (2, 3)),
        'a.count': ('meta', ()),
    }


@pytest.mark.parametrize('kept', [0, 0.5, 0.9])
def test_one_text_for_what_is_damaged(file, kept):
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    text = rf'^The file \S*{file.name} is damaged or no file of weights \(.+\)\. Get it anew: '
    with pytest.raises(ValueError, match=text):
        read_weights(file, what='The file')


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@pytest.mark.parametrize(
    'content', [b'', b'<html>Not found</html>', pickle.dumps({'a': 1}), b'PK\x03\x04 cut short']
)
def test_the_same_text_for_what_never_was_one(tmp_path, suffix, content):
    path = tmp_path / f'page{suffix}'
    path.write_bytes(content)
    text = rf'^Checkpoint \S*page{suffix} is damaged or no file of weights \(.+\)\. Get it anew'
    with pytest.raises(ValueError, match=text):
        read_weights(path)


def test_one_text_for_what_is_not_there(tmp_path):
    for call in (check_file, read_weights, read_state_dict):
        with pytest.raises(FileNotFoundError, match=r'^Checkpoint \S*none\.pth does not exist\.$'):
            call(tmp_path / 'none.pth')
        with pytest.raises(FileNotFoundError, match=r'is a folder, not a file\.$'):
            call(tmp_path)


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('mapped', [True, False])
def test_one_text_for_what_would_run_code_and_nothing_runs(tmp_path, zipped, mapped):
    path, mark = tmp_path / 'evil.pth', tmp_path / 'mark'
    content = {'state_dict': WEIGHTS, 'more': Trap(mark)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    for numpy_scalars in (False, True):
        with pytest.raises(ValueError) as error:
            read_weights(path, mapped=mapped, numpy_scalars=numpy_scalars)
        assert str(error.value) == (
            f'Checkpoint {path} is refused: reading it could run code from the file (it asks for '
            'posix.mkdir). Convert it where you trust it: load it there and save its state dict '
            'with safetensors.torch.save_file.'
        )
    with pytest.raises(ValueError, match=r'\(it asks for posix\.mkdir\)\. Do this\.$'):
        read_weights(path, remedy='Do this.')
    assert not mark.exists()
    # The trap is armed.
    read_weights(path, mapped=mapped, trust_pickle=True)
    assert mark.exists()


def test_objects_are_refused_by_name(tmp_path):
    torch.save({'layer': torch.nn.Linear(1, 1)}, tmp_path / 'whole.pth')
    with pytest.raises(ValueError, match=r'\(it asks for torch\.nn\.modules\.linear\.Linear\)'):
        read_weights(tmp_path / 'whole.pth')


def test_numbers_of_numpy_are_read_where_they_are_expected(tmp_path):
    numbers = {'lr': np.float64(0.5), 'step': np.int32(3), 'half': np.float16(2), 'on': np.True_}
    torch.save(numbers, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'is refused.*numpy\S*scalar'):
        read_weights(tmp_path / 'a.pth')
    assert read_weights(tmp_path / 'a.pth', numpy_scalars=True) == numbers
    # The permission ends with the call.
    with pytest.raises(ValueError, match='is refused'):
        read_weights(tmp_path / 'a.pth')


def test_dates_of_numpy_are_no_numbers(tmp_path):
    torch.save({'date': np.datetime64('2024-01-01')}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'is refused.*\(it asks for numpy\.dtypes\.\w+\)'):
        read_weights(tmp_path / 'a.pth', numpy_scalars=True)


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(f'Permission denied: {path}')

    write_weights(WEIGHTS, tmp_path / 'a.pth')
    monkeypatch.setattr('builtins.open', refuse)
    with pytest.raises(PermissionError):
        read_weights(tmp_path / 'a.pth')


# State dicts.


@pytest.mark.parametrize(
    ('content', 'held'),
    [
        ([1], 'a list'),
        ({}, 'nothing'),
        ({'epoch': 3, 'lr': 0.1}, 'epoch, lr'),
        ({'state_dict': WEIGHTS | {'x': 1, 'y': 2}}, 'x, y'),
        ({'state_dict': 3, **WEIGHTS}, 'state_dict'),
    ],
)
def test_one_text_for_what_is_no_state_dict(content, held):
    with pytest.raises(ValueError) as error:
        state_dict_of(content, 'a.pth')
    assert str(error.value) == f'Checkpoint a.pth holds no state dict (tensors by name) but {held}.'


def test_the_state_dict_is_found():
    assert state_dict_of(WEIGHTS, 'a') is WEIGHTS
    other = {'w': torch.ones(1)}
    assert state_dict_of({'epoch': 1, 'state_dict': WEIGHTS}, 'a') is WEIGHTS
    content = {'model': other, 'state_dict': WEIGHTS}
    assert state_dict_of(content, 'a', ('model_ema', 'model', 'state_dict')) is other


def test_names_lose_what_wrappers_put_in_front(tmp_path):
    write_weights({'state_dict': {f'module.{k}': v for k, v in WEIGHTS.items()}}, tmp_path / 'a')
    assert read_state_dict(tmp_path / 'a').keys() == WEIGHTS.keys()
    assert bare_name('module.module.x') == 'module.x' and bare_name('x.module.y') == 'x.module.y'


# Writing.


def test_what_is_written_is_read_and_others_may_read_it(tmp_path):
    tensors = WEIGHTS | {'turned': torch.rand(2, 3).T}
    write_safetensors(tensors, tmp_path / 'a.safetensors', {'source': 'here'})
    write_weights({'state_dict': tensors, 'iter': 3}, tmp_path / 'a.pth')
    for name in ('a.safetensors', 'a.pth'):
        torch.testing.assert_close(read_state_dict(tmp_path / name), tensors)
        mask = os.umask(0)
        os.umask(mask)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~mask
    with safe_open(tmp_path / 'a.safetensors', 'pt') as file:
        assert file.metadata() == {'source': 'here'}


def test_a_writer_that_fails_leaves_the_old_file(tmp_path):
    for write, name, bad in (
        (write_weights, 'a.pth', {'x': (one for one in 'x')}),
        (write_safetensors, 'a.safetensors', {'x': WEIGHTS['a.weight'], 'y': WEIGHTS['a.weight']}),
    ):
        write(WEIGHTS, tmp_path / name)
        before = (tmp_path / name).read_bytes()
        with pytest.raises((TypeError, RuntimeError)):
            write(bad, tmp_path / name)
        assert (tmp_path / name).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.pth', 'a.safetensors']


# What fits, and what is the same.


def test_misfits_are_counted_and_named():
    own = {key: torch.empty(2, 3, device='meta') for key in 'gabcfed'}
    given = {'a': torch.ones(2, 3), 'b': torch.ones(3, 2), 'x': torch.ones(1), 'c': 3}
    assert misfits(own, given) == (
        '4 missing (g, f, e, ...); 1 unknown (x); '
        '2 of another shape (b (3, 2) instead of (2, 3), c () instead of (2, 3))'
    )
    assert misfits(own, own) == ''
    assert misfits({}, {}, twice=['p', 'p', 'q']) == '2 listed twice (p, q)'
    assert misfits({'b': own['b']}, {'b': given['b']}, lambda tensor: (tensor.numel(),)) == ''


def test_the_fingerprint_is_a_plain_sha256():
    """Checkpoints hold it: another way to compute it would refuse them."""
    tensors = {'w': torch.rand(3, 2).T, 'n': torch.tensor(7), 'none': torch.empty(0, 2)}
    digest = hashlib.sha256()
    digest.update(b'n()' + np.int64(7).tobytes())
    digest.update(b'none(0, 2)')
    digest.update(b'w(2, 3)' + np.ascontiguousarray(tensors['w'].numpy()).tobytes())
    assert fingerprint(tensors) == digest.hexdigest()
    assert fingerprint(tensors) == fingerprint(dict(reversed(tensors.items())))


def test_the_fingerprint_tells_names_shapes_and_values_apart():
    one = torch.arange(6.0)
    different = [{'a': one}, {'b': one}, {'a': one.view(2, 3)}, {'a': one + 1}, {'a': one.half()}]
    different.append({'a': one.bfloat16()})
    assert len({fingerprint(tensors) for tensors in different}) == len(different)
