"""Reading DA-CLIP files: every form, nothing run, faults named. And where files are looked for."""

import os
import pickle

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from irbox.priors.daclip import loading
from irbox.priors.daclip.composition import architecture
from irbox.priors.daclip.files import find_checkpoint
from irbox.priors.daclip.loading import convert, empty_daclip, load_daclip
from irbox.priors.daclip.state_dict import read_tensors
from irbox.utils.weights import fingerprint
from support.daclip_files import FORMS, TINY_ARCH, write_daclip_file


def file_of(folder, form):
    return folder / f'{form}.{"safetensors" if form == "safetensors" else "pt"}'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('daclip')
    for form in FORMS:
        model = write_daclip_file(file_of(folder, form), form)
    save_file(model.state_dict(), folder / 'expected.safetensors')
    return folder


@pytest.fixture(scope='module')
def expected(folder):
    return load_file(folder / 'expected.safetensors')


@pytest.fixture
def no_files(tmp_path, monkeypatch):
    """A current directory and an environment in which no weights can be found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('IRBOX_DACLIP_CKPT', raising=False)
    monkeypatch.delenv('IRBOX_WEIGHTS', raising=False)
    return tmp_path


@pytest.mark.parametrize('form', FORMS)
def test_every_form_gives_identical_tensors(folder, expected, form):
    tensors = read_tensors(file_of(folder, form))
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[key], expected[key]) for key in expected)
    assert fingerprint(tensors) == fingerprint(expected)


def test_a_released_file_is_one_that_a_plain_safe_load_refuses(folder):
    """Else the allow-list of the reader would not be tested at all."""
    path = file_of(folder, 'training')
    with pytest.raises(pickle.UnpicklingError, match='numpy.core.multiarray'):
        torch.load(path, weights_only=True)
    # As released: the second image tower, every key of a parallel module, moments of what was
    # trained.
    loaded = torch.load(path, weights_only=False)
    keys = [key for key in loaded['state_dict'] if key.startswith('module.visual.')]
    assert len(loaded['state_dict']) == 125 + len(keys)
    assert len(keys) == 4 + 4 + 12 * TINY_ARCH['vision_cfg']['layers']
    assert isinstance(loaded['optimizer']['param_groups'][0]['lr'], np.float64)


def test_scalars_written_by_numpy_2_load_too(folder, expected):
    path = folder / 'numpy2.pt'
    torch.save({'state_dict': expected, 'lr': np.float64(1e-4)}, path)
    assert read_tensors(path).keys() == expected.keys()


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize('place', ['state_dict', 'optimizer', 'whole'])
def test_a_file_that_would_run_code_is_refused_and_nothing_runs(tmp_path, expected, place):
    mark, path = tmp_path / 'mark', tmp_path / 'trap.pt'
    content = {'state_dict': dict(expected), 'optimizer': {}}
    if place == 'state_dict':
        content['state_dict']['trap'] = Trap(mark)
    elif place == 'optimizer':
        content['optimizer']['trap'] = Trap(mark)
    torch.save(Trap(mark) if place == 'whole' else content, path)
    with pytest.raises(ValueError, match='could run code.*mkdir.*--trust-pickle'):
        read_tensors(path)
    assert not mark.exists()
    # The trap is armed: whoever trusts the file springs it.
    if place == 'optimizer':
        assert read_tensors(path, trust_pickle=True).keys() == expected.keys()
        assert mark.exists()


@pytest.mark.parametrize(
    'content', [b'', b'<html>Not found</html>', pickle.dumps({'a': 1}), b'PK\x03\x04 cut short']
)
def test_what_is_no_checkpoint(tmp_path, content):
    path = tmp_path / 'file.pt'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='is damaged or no file of weights'):
        read_tensors(path)
    with pytest.raises(ValueError, match='is damaged or no file of weights'):
        read_tensors(path.rename(tmp_path / 'file.safetensors'))


def test_a_plain_clip_is_recognised(tmp_path, expected):
    clip = {k.removeprefix('clip.'): v for k, v in expected.items() if k.startswith('clip.')}
    save_file(clip, tmp_path / 'clip.safetensors')
    with pytest.raises(ValueError, match='a CLIP checkpoint without the DA-CLIP controller'):
        read_tensors(tmp_path / 'clip.safetensors')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({'weight': torch.ones(1)}, 'no DA-CLIP checkpoint: it holds weight'),
        ({'state_dict': {}}, 'no DA-CLIP checkpoint: it holds nothing'),
        ({'epoch': 3, 'lr': 0.1}, 'no state dict'),
        ([torch.ones(1)], 'no state dict .* but a list'),
    ],
)
def test_other_content(tmp_path, content, message):
    torch.save(content, tmp_path / 'file.pt')
    with pytest.raises(ValueError, match=message):
        read_tensors(tmp_path / 'file.pt')


def test_the_image_tower_may_be_listed_once_under_either_name(tmp_path, expected):
    renamed = {k.replace('clip.visual.', 'visual.'): v for k, v in expected.items()}
    save_file(renamed, tmp_path / 'once.safetensors')
    assert read_tensors(tmp_path / 'once.safetensors').keys() == expected.keys()


def test_two_different_image_towers_are_refused(tmp_path, expected):
    torch.save(expected | {'visual.proj': expected['clip.visual.proj'] + 1}, tmp_path / 'two.pt')
    with pytest.raises(ValueError, match='two different image towers'):
        read_tensors(tmp_path / 'two.pt')


def test_half_precision_files_become_float32(tmp_path, expected):
    save_file({k: v.half() for k, v in expected.items()}, tmp_path / 'half.safetensors')
    tensors = read_tensors(tmp_path / 'half.safetensors')
    assert all(tensor.dtype is torch.float32 for tensor in tensors.values())


def test_loading_gives_the_model_that_was_written(folder, expected):
    model, sha256 = load_daclip(file_of(folder, 'training'), architecture(TINY_ARCH), 'tiny')
    assert sha256 == fingerprint(expected)
    words = torch.randint(1, 49408, (3, 77), generator=torch.Generator().manual_seed(0))
    written = write_daclip_file(folder / 'again.pt')
    with torch.no_grad():
        torch.testing.assert_close(model.encode_text(words), written.encode_text(words))


def test_faults_of_the_tensors_are_counted_and_named(tmp_path, expected):
    faulty = dict(expected)
    del faulty['clip.ln_final.bias']
    faulty['clip.ln_final.weight'] = torch.ones(3)
    faulty['clip.extra'] = torch.ones(1)
    save_file(faulty, tmp_path / 'faulty.safetensors')
    with pytest.raises(ValueError) as error:
        load_daclip(tmp_path / 'faulty.safetensors', architecture(TINY_ARCH), 'tiny')
    for part in (
        'the 125 tensors of DA-CLIP',
        '1 missing (clip.ln_final.bias)',
        '1 unknown (clip.extra)',
        '1 of another shape (clip.ln_final.weight (3,) instead of (16,))',
    ):
        assert part in str(error.value)


def test_another_architecture_is_named(folder, monkeypatch):
    large = dict(empty_daclip(architecture('ViT-L-14')).state_dict())
    monkeypatch.setattr(loading, 'read_tensors', lambda path: large)
    with pytest.raises(ValueError, match=r'is ViT-L-14 .*but arch is ViT-B-32'):
        load_daclip(folder / 'raw.pt', architecture('ViT-B-32'), 'ViT-B-32')


def test_conversion_keeps_every_tensor(folder, expected, tmp_path):
    target = tmp_path / 'out.safetensors'
    assert convert(file_of(folder, 'training'), target) == (
        len(expected),
        sum(tensor.numel() for tensor in expected.values()),
    )
    written = load_file(target)
    assert written.keys() == expected.keys()
    assert all(torch.equal(written[key], expected[key]) for key in expected)
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(ValueError, match='exists'):
        convert(file_of(folder, 'training'), target)


def test_conversion_refuses_before_it_writes(folder, tmp_path):
    source = file_of(folder, 'raw')
    with pytest.raises(ValueError, match='must be named .safetensors'):
        convert(source, tmp_path / 'out.pt')
    with pytest.raises(FileNotFoundError, match='no folder'):
        convert(source, tmp_path / 'none' / 'out.safetensors')
    with pytest.raises(FileNotFoundError, match='does not exist'):
        convert(tmp_path / 'none.pt', tmp_path / 'out.safetensors')
    assert not list(tmp_path.iterdir())


def test_a_missing_file_says_what_to_do(no_files):
    with pytest.raises(FileNotFoundError) as error:
        find_checkpoint(None, 'ViT-B-32', download=False)
    for part in (
        'DA-CLIP weights not found: IRBOX_DACLIP_CKPT (not set); ',
        'daclip_ViT-B-32.safetensors',
        'Download daclip_ViT-B-32.pt (1.74 GB, MIT) from the hub repository weblzw/',
        'model.network.prior.checkpoint=<file> or IRBOX_DACLIP_CKPT',
        'allow_random=True',
    ):
        assert part in str(error.value)
    with pytest.raises(FileNotFoundError, match=r'wild-daclip_ViT-L-14.pt \(5.66 GB, MIT\)'):
        find_checkpoint(None, 'ViT-L-14', download=False)


def test_the_order_of_places(no_files, monkeypatch):
    weights = no_files / 'weights'
    weights.mkdir()
    for name in ('daclip_ViT-B-32.pt', 'other.pt', 'mine.pt'):
        (weights / name).touch()
    found = [find_checkpoint(None, 'ViT-B-32', download=False).name]
    (weights / 'daclip_ViT-B-32.safetensors').touch()
    found.append(find_checkpoint(None, 'ViT-B-32', download=False).name)
    monkeypatch.setenv('IRBOX_DACLIP_CKPT', str(weights / 'other.pt'))
    found.append(find_checkpoint(None, 'ViT-B-32', download=False).name)
    found.append(find_checkpoint('weights/mine.pt', 'ViT-B-32', download=False).name)
    assert found == ['daclip_ViT-B-32.pt', 'daclip_ViT-B-32.safetensors', 'other.pt', 'mine.pt']


def test_an_explicit_file_that_is_missing_is_not_replaced_by_another(no_files, monkeypatch):
    (no_files / 'weights').mkdir()
    (no_files / 'weights' / 'daclip_ViT-B-32.pt').touch()
    with pytest.raises(FileNotFoundError, match='not found: none.pt. '):
        find_checkpoint('none.pt', 'ViT-B-32', download=True)
    monkeypatch.setenv('IRBOX_DACLIP_CKPT', 'gone.pt')
    with pytest.raises(FileNotFoundError, match=r'gone.pt \(from IRBOX_DACLIP_CKPT\)'):
        find_checkpoint(None, 'ViT-B-32', download=True)


def test_the_hub_is_asked_only_when_allowed(no_files, monkeypatch):
    calls = []

    def fetch(repository, name, local_files_only):
        calls.append((repository, name, local_files_only))
        if local_files_only:
            raise huggingface_hub.errors.LocalEntryNotFoundError('nothing here')
        return 'fetched.pt'

    monkeypatch.setattr(huggingface_hub, 'hf_hub_download', fetch)
    repository = 'weblzw/daclip-uir-ViT-B-32-irsde'
    with pytest.raises(FileNotFoundError):
        find_checkpoint(None, 'ViT-B-32', download=False)
    assert not calls
    assert find_checkpoint(None, 'ViT-B-32', download=True).name == 'fetched.pt'
    with pytest.raises(FileNotFoundError, match='download: true'):
        find_checkpoint('hf://me/mine/folder/file.pt', 'ViT-B-32', download=False)
    assert calls == [
        (repository, 'daclip_ViT-B-32.pt', False),
        ('me/mine', 'folder/file.pt', True),
    ]
    with pytest.raises(ValueError, match='hf://owner/repository/file'):
        find_checkpoint('hf://me/mine', 'ViT-B-32', download=True)
