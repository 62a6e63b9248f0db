"""The prior: its promises, its options, what it keeps and what it leaves out."""

import ast
import json
import logging
import os
import pickle
import sys
from copy import deepcopy
from pathlib import Path

import open_clip
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import irbox.priors
from irbox.priors.daclip.preprocess import prepare
from irbox.priors.daclip.presets import OFFICIAL_WORDS, PRESETS
from irbox.priors.daclip_prior import DACLIPPrior
from irbox.registry import PRIORS
from support.daclip_files import TINY_ARCH, write_daclip_file

WORDS = ['hazy', 'rainy', 'noisy']


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """A file as released, and the model in it."""
    path = tmp_path_factory.mktemp('daclip') / 'tiny.pt'
    return path, write_daclip_file(path, 'training')


@pytest.fixture(scope='module')
def build(written):
    return lambda **options: DACLIPPrior(
        **{'words': WORDS, 'arch': TINY_ARCH, 'checkpoint': str(written[0])} | options
    )


@pytest.fixture(scope='module')
def prior(build):
    return build()


@pytest.fixture
def image():
    return torch.rand(2, 3, 45, 61, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize('size', [(32, 32), (45, 61), (61, 45), (3, 200), (1, 1)])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_shapes_and_types_at_any_size(prior, size, dtype):
    answer = prior(torch.rand(2, 3, *size).to(dtype))
    assert (prior.feature_dim, prior.num_degradations) == (16, 3)
    assert answer.features.shape == answer.content.shape == (2, 16)
    assert answer.probabilities.shape == (2, 3)
    torch.testing.assert_close(answer.probabilities.sum(-1), torch.ones(2))
    for tensor in vars(answer).values():
        assert tensor.dtype is torch.float32
        assert tensor.isfinite().all()
        assert not tensor.requires_grad


def test_numbers_against_the_written_model(prior, written, image):
    model = written[1]
    with torch.no_grad():
        content, features = model.encode_image(prepare(image, 32, 'bicubic', 'clip'))
        text = model.encode_text(open_clip.get_tokenizer('ViT-B-32')(WORDS))
    answer = prior(image)
    torch.testing.assert_close(answer.features, features)
    torch.testing.assert_close(answer.content, content)
    cosine = F.normalize(features, dim=-1) @ F.normalize(text, dim=-1).T
    torch.testing.assert_close(
        answer.probabilities, (100 * cosine).softmax(-1), atol=1e-5, rtol=1e-4
    )
    assert answer.probabilities.std() > 0.01


def test_a_batch_equals_its_images(prior, image):
    whole = prior(image)
    for index in range(2):
        single = prior(image[index : index + 1])
        for name, tensor in vars(whole).items():
            torch.testing.assert_close(tensor[index : index + 1], getattr(single, name))


def test_words_are_in_the_given_order(build, prior, image):
    backwards = build(words=WORDS[::-1])(image).probabilities
    torch.testing.assert_close(backwards.flip(-1), prior(image).probabilities)


def test_surrounding_autocast_changes_nothing(prior, image):
    alone = prior(image)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        inside = prior(image)
    assert all(torch.equal(getattr(alone, name), value) for name, value in vars(inside).items())


@pytest.mark.parametrize('precision', ['bf16', 'fp16'])
def test_similarity_is_float32_when_the_towers_are_not(build, prior, image, precision):
    half = build(precision=precision, similarity='logit')
    with torch.autocast('cpu', dtype=torch.bfloat16):
        answer = half(image)
    assert all(tensor.dtype is torch.float32 for tensor in vars(answer).values())
    exact = prior(image).features
    assert 1e-5 < (answer.features - exact).abs().max() < 0.1  # the towers did run in half
    text = half.text.double()
    logits = 100 * F.normalize(answer.features.double(), dim=-1) @ F.normalize(text, dim=-1).T
    # Similarities in half precision would be off by 0.03 (fp16) to 0.25 (bf16).
    torch.testing.assert_close(answer.probabilities.double(), logits, atol=1e-4, rtol=0)


def test_frozen_always(build, image):
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.prior = build()
            self.own = nn.Linear(16, 1)

    network = Network().train()
    assert not any(module.training for module in network.prior.modules())
    assert not any(parameter.requires_grad for parameter in network.prior.parameters())
    image.requires_grad_()
    network.own(network.prior(image).features).sum().backward()
    assert image.grad is None
    assert set(network.state_dict()) == {'own.weight', 'own.bias'}
    network.load_state_dict(deepcopy(network).state_dict(), strict=True)


def test_text_tower_is_gone_and_its_answer_kept(prior, written):
    names = {name for name, _ in prior.named_parameters()}
    assert not any('token_embedding' in name or 'text' in name for name in names)
    model = written[1]
    parts = {'whole': model, 'control': model.visual_control, 'visual': model.clip.visual}
    sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    assert prior.total_parameters == sizes['whole']
    assert sum(p.numel() for p in prior.parameters()) == sizes['control'] + sizes['visual']
    assert dict(prior.named_buffers())['text'].shape == (3, 16)


def test_weights_are_in_memory_of_their_own(build, written, tmp_path, image):
    copy = tmp_path / 'copy.pt'
    copy.write_bytes(written[0].read_bytes())
    own = build(checkpoint=str(copy))
    before = own(image).features
    copy.write_bytes(bytes(copy.stat().st_size))
    assert torch.equal(own(image).features, before)


def test_controller_alone(build, prior, image):
    alone = build(content='features')
    answer, whole = alone(image), prior(image)
    assert torch.equal(answer.features, whole.features)
    assert torch.equal(answer.content, answer.features)
    assert not any('visual' in name or 'zero' in name for name, _ in alone.named_parameters())


def test_normalised_outputs(build, prior, image):
    answer, raw = build(normalize_features=True, normalize_content=True)(image), prior(image)
    torch.testing.assert_close(answer.features, F.normalize(raw.features, dim=-1))
    torch.testing.assert_close(answer.content, F.normalize(raw.content, dim=-1))
    assert torch.equal(answer.probabilities, raw.probabilities)
    same = build(content='features', normalize_features=True)(image)
    assert torch.equal(same.content, same.features)


def test_readings_of_the_similarity(build, image):
    cosine = build(similarity='cosine')(image).probabilities
    assert cosine.abs().max() <= 1
    logit = build(similarity='logit', temperature=10.0)(image).probabilities
    torch.testing.assert_close(logit, 10 * cosine)
    soft = build(temperature=10.0)(image).probabilities
    torch.testing.assert_close(soft, logit.softmax(-1))


@pytest.mark.parametrize('preset', PRESETS)
def test_presets(build, written, image, preset):
    """Each preset, spelled out."""
    words = {'official': list(OFFICIAL_WORDS), 'm2ir': WORDS}.get(
        preset, ['hazy', 'noisy', 'raindrop', 'rainy', 'shadowed', 'snowy']
    )
    own = build(preset=preset, words=WORDS if preset == 'm2ir' else None)
    assert list(own.settings.words) == words
    assert own.num_degradations == len(words)
    code = preset == 'm2restore_code'
    pixels = prepare(image, 32, *(('bilinear', 'half') if code else ('bicubic', 'clip')))
    with torch.no_grad():
        content, features = written[1].encode_image(pixels)
    if preset == 'm2ir':
        features = F.normalize(features, dim=-1)
    answer = own(image)
    torch.testing.assert_close(answer.features, features)
    has_content = preset in ('official', 'm2restore_code')
    torch.testing.assert_close(answer.content, content if has_content else features)


def test_own_values_go_before_the_preset(build):
    own = build(preset='m2ir', normalize_features=False, words=['foggy'])
    assert not own.settings.normalize_features
    assert own.settings.words == ('foggy',)
    assert own.settings.content == 'features'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'preset': 'm2restore'}, 'Did you mean'),
        ({'preset': 'm2ir', 'words': None}, 'needs words, one per degradation'),
        ({'words': 'hazy'}, "as a list of texts, got 'hazy'"),
        ({'words': []}, 'needs words'),
        ({'words': ['hazy', 3]}, 'each a text'),
        ({'words': ['hazy', 'hazy']}, 'a word twice'),
        ({'content': 'text'}, "content from image, features, got 'text'"),
        ({'similarity': 'prob'}, 'similarity from probability'),
        ({'resize': 'nearest'}, 'resize from bicubic'),
        ({'normalization': 'imagenet'}, 'normalization from clip'),
        ({'precision': 'half'}, "precision from fp32, bf16, fp16, got 'half'"),
        ({'temperature': 0.0}, 'above zero'),
        ({'content': 'features', 'normalize_content': True}, 'needs content: image'),
        ({'arch': 'ViT-B-32'}, 'but arch is ViT-B-32'),
    ],
)
def test_options_that_are_refused(build, options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


@pytest.mark.parametrize(
    'image', [torch.rand(3, 32, 32), torch.rand(1, 4, 32, 32), torch.ones(1, 3, 32, 32).byte()]
)
def test_images_that_are_refused(prior, image):
    with pytest.raises(ValueError, match='floats in 0 to 1'):
        prior(image)


def test_built_from_a_config(written):
    config = {
        'type': 'DACLIPPrior',
        'words': WORDS,
        'arch': TINY_ARCH,
        'checkpoint': str(written[0]),
    }
    assert isinstance(PRIORS.build(config), DACLIPPrior)
    with pytest.raises(ValueError, match="Did you mean 'checkpoint'"):
        PRIORS.build(config | {'chekpoint': 'x'})


def test_no_weights_is_an_error_at_build(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('IRBOX_DACLIP_CKPT', raising=False)
    with pytest.raises(FileNotFoundError, match='DA-CLIP weights not found'):
        DACLIPPrior(words=WORDS)
    # Random weights never stand in for a file that was asked for.
    with pytest.raises(FileNotFoundError, match='not found: none.pt'):
        DACLIPPrior(words=WORDS, checkpoint='none.pt', allow_random=True)


def test_random_weights_are_the_same_every_time_and_said(image, caplog):
    torch.manual_seed(7)
    state = torch.get_rng_state()
    with caplog.at_level(logging.WARNING):
        first = DACLIPPrior(words=WORDS, arch=TINY_ARCH, allow_random=True)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(8)
    second = DACLIPPrior(words=WORDS, arch=TINY_ARCH, allow_random=True)
    assert torch.equal(first(image).features, second(image).features)
    first.check_record(second.checkpoint_record())


@pytest.mark.parametrize(
    ('content', 'parameters'),
    [('features', 87_849_216), ('image', 94_936_320 + 87_849_216)],
)
def test_described_on_the_meta_device_without_a_file(content, parameters):
    with torch.device('meta'):
        described = DACLIPPrior(words=WORDS, content=content)
        answer = described(torch.rand(2, 3, 50, 60))
    assert sum(p.numel() for p in described.parameters()) == parameters
    assert described.total_parameters == 246_213_634
    assert answer.features.shape == answer.content.shape == (2, 512)
    assert answer.probabilities.shape == (2, 3)


def test_record_of_a_checkpoint(build, prior, written):
    record = json.loads(json.dumps(prior.checkpoint_record()))
    assert record['file'] == 'tiny.pt'
    assert len(record['sha256']) == 64
    assert record['words'] == WORDS
    prior.check_record(record)
    # The same weights in another form and under another name, and the towers' precision, may
    # differ.
    other = written[0].with_name('converted.safetensors')
    write_daclip_file(other, 'safetensors')
    build(checkpoint=str(other), precision='bf16').check_record(record)


def test_record_says_what_differs(build, prior, tmp_path):
    record = prior.checkpoint_record()
    with pytest.raises(ValueError) as error:
        build(words=WORDS[::-1], resize='bilinear').check_record(record)
    assert "words: ['hazy', 'rainy', 'noisy'] in the checkpoint" in str(error.value)
    assert 'resize: bicubic in the checkpoint, bilinear here' in str(error.value)
    assert 'sha256' not in str(error.value)
    write_daclip_file(tmp_path / 'other.pt', seed=1)
    with pytest.raises(ValueError, match='sha256: .* Its file was tiny.pt, this one is other.pt'):
        build(checkpoint=str(tmp_path / 'other.pt')).check_record(record)


def test_moves_and_pickles(prior, image):
    double = pickle.loads(pickle.dumps(prior)).double()
    torch.testing.assert_close(double(image).features, prior(image).features)
    assert not double.state_dict()


def test_open_clip_is_needed_only_to_build(monkeypatch):
    folder = Path(irbox.priors.__file__).parent
    for path in [folder / 'daclip_prior.py', *sorted((folder / 'daclip').glob('*.py'))]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, 'module', '') or '']
                assert not any(name.split('.')[0] == 'open_clip' for name in names), path
    monkeypatch.setitem(sys.modules, 'open_clip', None)
    with pytest.raises(
        ImportError, match='DACLIPPrior needs open_clip.*pip install open_clip_torch'
    ):
        DACLIPPrior(words=WORDS, allow_random=True)


@pytest.mark.slow
def test_a_whole_vit_b_32_in_the_released_format(tmp_path):
    """Writes and reads a file of a gigabyte."""
    path = tmp_path / 'daclip_ViT-B-32.pt'
    model = write_daclip_file(path, 'module', arch='ViT-B-32')
    image = torch.rand(1, 3, 240, 320)
    with torch.no_grad():
        content, features = model.encode_image(prepare(image, 224, 'bicubic', 'clip'))
        text = model.encode_text(open_clip.get_tokenizer('ViT-B-32')(OFFICIAL_WORDS))
    del model
    prior = DACLIPPrior(checkpoint=str(path))
    os.unlink(path)
    answer = prior(image)
    assert prior.total_parameters == 246_213_634
    torch.testing.assert_close(answer.features, features, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(answer.content, content, atol=1e-5, rtol=1e-5)
    cosine = F.cosine_similarity(features[:, None], text, dim=-1)
    torch.testing.assert_close(
        answer.probabilities, (100 * cosine).softmax(-1), atol=1e-4, rtol=1e-3
    )
