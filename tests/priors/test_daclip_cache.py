"""Priors kept on disk: the same answers, computed once, never for other pixels or another prior."""

import pytest
import torch

from irbox.priors.daclip_prior import DACLIPPrior
from support.daclip_files import TINY_ARCH

OPTIONS = {'words': ['hazy', 'rainy'], 'arch': TINY_ARCH, 'allow_random': True}


@pytest.fixture
def image():
    return torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(0))


def counted(prior):
    """Note how many images the towers see in each call."""
    calls = []
    prior.controller.conv1.register_forward_hook(lambda _, args, __: calls.append(len(args[0])))
    return calls


def test_off_by_default(image, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prior = DACLIPPrior(**OPTIONS).eval()
    calls = counted(prior)
    prior(image)
    prior(image)
    assert calls == [3, 3]
    assert not list(tmp_path.iterdir())


def test_the_same_answers_from_the_disk(image, tmp_path):
    prior = DACLIPPrior(**OPTIONS, cache=str(tmp_path / 'a' / 'b')).eval()
    calls = counted(prior)
    fresh = DACLIPPrior(**OPTIONS)(image)
    for _ in range(2):
        for name, tensor in vars(prior(image)).items():
            assert torch.equal(tensor, getattr(fresh, name))
    assert calls == [3]
    # Another process, another composition of the batch: one image is new.
    again = DACLIPPrior(**OPTIONS, cache=str(tmp_path / 'a' / 'b')).eval()
    calls = counted(again)
    order = torch.stack([image[2], image[0] * 0.5, image[1]])
    answer = again(order)
    assert calls == [1]
    assert torch.equal(answer.features[[0, 2]], fresh.features[[2, 1]])
    torch.testing.assert_close(answer.features, DACLIPPrior(**OPTIONS)(order).features)


def test_not_while_training(image, tmp_path):
    prior = DACLIPPrior(**OPTIONS, cache=str(tmp_path / 'cache')).train()
    prior(image)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'change',
    [
        {'words': ['rainy', 'hazy']},
        {'normalization': 'half'},
        {'resize': 'bilinear'},
        {'precision': 'bf16'},
        {'content': 'features'},
        {'similarity': 'cosine'},
    ],
)
def test_another_prior_has_its_own_entries(image, tmp_path, change):
    DACLIPPrior(**OPTIONS, cache=str(tmp_path)).eval()(image)
    other = DACLIPPrior(**OPTIONS | change, cache=str(tmp_path)).eval()
    calls = counted(other)
    other(image)
    assert calls == [3]


def test_a_transposed_image_is_another(image, tmp_path):
    prior = DACLIPPrior(**OPTIONS, cache=str(tmp_path)).eval()
    flat = torch.zeros(1, 3, 20, 80)
    calls = counted(prior)
    prior(flat)
    prior(flat.transpose(2, 3))
    assert calls == [1, 1]


def test_a_spoiled_entry_is_made_anew(image, tmp_path):
    prior = DACLIPPrior(**OPTIONS, cache=str(tmp_path)).eval()
    expected = prior(image)
    for entry in tmp_path.iterdir():
        assert entry.suffix == '.safetensors'
        entry.write_bytes(b'cut')
    assert torch.equal(prior(image).content, expected.content)
    calls = counted(prior)
    prior(image)
    assert calls == []


def test_a_folder_that_cannot_be_written(image, tmp_path):
    (tmp_path / 'file').touch()
    prior = DACLIPPrior(**OPTIONS, cache=str(tmp_path / 'file' / 'cache')).eval()
    with pytest.raises(ValueError, match='cannot be written'):
        prior(image)
