from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from irbox.config.load_config import load_config
from irbox.engine.checkpoint import check_frozen, check_weights, frozen_records, write_checkpoint
from irbox.losses import DegradationLabelLoss
from irbox.priors import TimmPrior
from irbox.registry import MODELS, PRIORS
from irbox.structures import Context
from irbox.testing import check_prior
from support.paths import ROOT

BASES = ROOT / 'configs/_base_'
LABELS = ['haze', 'rain', 'snow']
TINY = 'test_convnext'
BLOCK = {'block': {'type': 'TransformerBlock'}}


def prior(backbone=TINY, **options):
    return TimmPrior(backbone, LABELS, **options).eval()


@pytest.fixture
def published(tmp_path):
    """A file as timm publishes it, with a classifier of a thousand classes."""
    model = timm.create_model(TINY, pretrained=False)
    path = tmp_path / 'model.safetensors'
    save_file(model.state_dict(), path)
    return path, model.eval()


@pytest.fixture
def trained(tmp_path):
    """A checkpoint of a network that was trained with the prior, and that prior."""
    network = nn.Module()
    network.prior = prior()
    holder = nn.Module()
    holder.network = network
    labels = ', '.join(LABELS)
    cfg = f'model: {{network: {{prior: {{type: TimmPrior, labels: [{labels}]}}}}}}'
    path = tmp_path / 'final.pth'
    write_checkpoint({'meta': {'cfg': cfg}, 'state_dict': holder.state_dict()}, path)
    return path, network.prior


@pytest.mark.parametrize(
    ('backbone', 'options'),
    [
        (TINY, {}),
        ('test_resnet', {'size': 48}),
        ('test_resnet', {'options': {'norm_layer': 'layernorm2d'}}),
        ('test_vit', {}),
        ('test_vit', {'options': {'img_size': 64}}),
    ],
)
def test_it_keeps_what_a_prior_must_keep(backbone, options):
    check_prior(TimmPrior, backbone=backbone, labels=LABELS, **options)


@pytest.mark.parametrize('size', [(1, 1), (7, 90), (33, 65), (160, 160)])
def test_any_image_size(size):
    given = prior()(torch.rand(2, 3, *size))
    assert given.features.shape == given.content.shape == (2, 64)
    assert given.probabilities.shape == (2, 3)
    torch.testing.assert_close(given.probabilities.sum(1), torch.ones(2))


def test_images_are_normalised_and_resized_as_the_backbone_wants_them():
    part, seen = prior('resnet10t', size=48), []
    part.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    part(torch.tensor([0.5, 0.25, 1.0]).view(1, 3, 1, 1).expand(1, 3, 70, 31))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    for channel, value in enumerate((0.5, 0.25, 1.0)):
        wanted = (value - mean[channel]) / std[channel]
        torch.testing.assert_close(seen[0][0, channel], torch.full((48, 48), wanted))


def test_features_are_what_timm_gives(published):
    path, model = published
    part = prior(weights=str(path))
    image = torch.rand(2, 3, 40, 64)
    with torch.no_grad():
        mean, std = (
            torch.tensor(model.pretrained_cfg[key]).view(3, 1, 1) for key in ('mean', 'std')
        )
        features = model.forward_head(model.forward_features((image - mean) / std), pre_logits=True)
        torch.testing.assert_close(part(image).features, features)
        wanted = part.classify(features).softmax(1)
        torch.testing.assert_close(part(image).probabilities, wanted)


def test_the_labels_are_learned():
    """Bright and dark images are told apart after a few steps, in the order of the labels."""
    part = TimmPrior(TINY, LABELS).train()
    loss = DegradationLabelLoss(LABELS, weight=1.0)
    optimizer = torch.optim.AdamW(part.parameters(), lr=3e-3)
    image = torch.cat([0.9 + 0.1 * torch.rand(4, 3, 32, 32), 0.1 * torch.rand(4, 3, 32, 32)])
    label = ['haze'] * 4 + ['snow'] * 4
    for _ in range(15):
        context = Context(image=image, prior=part(image))
        optimizer.zero_grad()
        context.labels = label
        loss(image, image, context).backward()
        optimizer.step()
    chosen = part.eval()(image).probabilities.argmax(1)
    assert chosen.tolist() == [0] * 4 + [2] * 4


@pytest.mark.parametrize('frozen', ['backbone', 'all'])
def test_what_is_frozen_stays(frozen, trained):
    path, origin = trained
    part = TimmPrior(TINY, LABELS, weights=str(path), frozen=frozen).train()
    image = torch.rand(2, 3, 33, 50)
    for name in ('features', 'probabilities'):
        torch.testing.assert_close(getattr(part(image), name), getattr(origin(image), name))
    learned = {name for name, weight in part.named_parameters() if weight.requires_grad}
    kept = set() if frozen == 'all' else {'classify.weight', 'classify.bias'}
    assert learned == kept == set(part.state_dict())
    assert not part.backbone.training
    if frozen == 'backbone':
        part(image).probabilities[:, 0].sum().backward()
        assert all(weight.grad.any() for weight in part.classify.parameters())
    check_prior(TimmPrior, backbone=TINY, labels=LABELS, weights=str(path), frozen=frozen)


def network(**options):
    return MODELS.build(
        {
            'type': 'RestorationUNet',
            'dim': 8,
            'depths': [1, 1],
            'heads': [1, 1],
            'encoder': BLOCK,
            'bottleneck': BLOCK,
            'decoder': BLOCK,
            'prior': {'type': 'TimmPrior', 'backbone': TINY, 'labels': LABELS, **options},
        }
    )


def test_checkpoints_hold_a_record_of_what_is_frozen_and_refuse_another(trained, published):
    path, _ = trained
    frozen = network(weights=str(path), frozen='all')
    assert not any(key.startswith('prior.') for key in frozen.state_dict())
    records = frozen_records(frozen)
    assert set(records) == {'prior.backbone', 'prior.classify'}
    assert records['prior.backbone']['file'] == 'final.pth'
    assert len(records['prior.backbone']['sha256']) == 64
    assert records['prior.classify']['labels'] == LABELS
    checkpoint = {'meta': {'frozen': records}}
    check_frozen(network(weights=str(path), frozen='all'), checkpoint, 'here.pth')
    other = network(weights=str(published[0]), frozen='backbone')
    with pytest.raises(ValueError, match=r'here\.pth: it was made with another prior\. sha256'):
        check_frozen(
            other,
            {'meta': {'frozen': frozen_records(network(weights=str(path), frozen='backbone'))}},
            'here.pth',
        )
    with pytest.raises(ValueError, match='which the config lacks'):
        check_frozen(network(), checkpoint, 'here.pth')


def test_a_learned_prior_is_saved_and_has_no_record(trained):
    learned = network()
    assert frozen_records(learned) == {}
    assert 'prior.classify.weight' in learned.state_dict()
    # What was learned can be frozen in a training that goes on from it.
    check_weights(network(weights=str(trained[0]), frozen='all'), learned.state_dict(), 'here')


def test_a_learned_prior_starts_from_a_checkpoint(trained):
    path, origin = trained
    part = prior(weights=str(path))
    assert all(
        torch.equal(a, b) for a, b in zip(part.parameters(), origin.parameters(), strict=True)
    )
    assert all(weight.requires_grad for weight in part.parameters())


@pytest.mark.parametrize(
    ('options', 'error', 'text'),
    [
        ({'backbone': 'resnet81'}, ValueError, r"no model 'resnet81'\. Did you mean .*resnet"),
        ({'backbone': TINY, 'options': {'depht': 2}}, ValueError, f'cannot build {TINY} with'),
        ({'labels': 'haze'}, ValueError, r"labels: 'haze' must be a list, such as \['haze'\]"),
        ({'labels': ['haze', 'haze']}, ValueError, 'must be a list of different names'),
        (
            {'frozen': 'head'},
            ValueError,
            "frozen: 'head' is unknown. Choose 'nothing', 'backbone' or 'all'",
        ),
        ({'frozen': 'all'}, ValueError, 'keeps random weights for ever'),
        ({'size': 0}, ValueError, 'size: 0 must be a whole number above 0'),
        ({'backbone': 'test_vit', 'size': 64}, ValueError, r'bound to images of 160.*img_size: 64'),
        (
            {'backbone': 'resnet18', 'weights': 'none.pth'},
            FileNotFoundError,
            r'none\.pth does not exist.*https://huggingface\.co/timm/resnet18\S*: download',
        ),
    ],
)
def test_mistakes_are_explained(options, error, text):
    with pytest.raises(error, match=text):
        PRIORS.build({'type': 'TimmPrior', 'backbone': TINY, 'labels': LABELS, **options})


def test_files_that_do_not_fit_are_refused(tmp_path, published, trained):
    with pytest.raises(
        ValueError, match=r'another architecture: of the .* missing \(conv1\.0\.weight'
    ):
        prior('test_resnet', weights=str(published[0]))
    with pytest.raises(ValueError, match="without the labels' layer"):
        prior(weights=str(published[0]), frozen='all')
    with pytest.raises(ValueError, match=r"labels \['haze', 'rain', 'snow'\], the prior has \['s"):
        TimmPrior(TINY, ['snow', 'rain', 'haze'], weights=str(trained[0]), frozen='all')
    (tmp_path / 'page.pth').write_text('<html>')
    with pytest.raises(ValueError, match=r'page\.pth is damaged or no file of weights'):
        prior(weights=str(tmp_path / 'page.pth'))
    (tmp_path / 'page.safetensors').write_text('<html>')
    with pytest.raises(ValueError, match=r'page\.safetensors is damaged or no file of weights'):
        prior(weights=str(tmp_path / 'page.safetensors'))
    torch.save({'code': Path}, tmp_path / 'code.pth')
    with pytest.raises(ValueError, match=r'code\.pth is refused.*pathlib\.Path.*safetensors'):
        prior(weights=str(tmp_path / 'code.pth'))


def test_other_peoples_checkpoints_of_a_backbone_load(tmp_path, published):
    path, model = published
    wrapped = {f'module.{key}': value for key, value in model.state_dict().items()}
    torch.save({'epoch': 3, 'state_dict': wrapped}, tmp_path / 'theirs.pth')
    image = torch.rand(1, 3, 32, 32)
    one, two = prior(weights=str(path)), prior(weights=str(tmp_path / 'theirs.pth'))
    assert torch.equal(one(image).features, two(image).features)


def test_no_file_is_needed_to_count_it():
    with torch.device('meta'):
        part = prior(weights='none.pth', frozen='all')
    assert sum(weight.numel() for weight in part.parameters()) == 207_323


@pytest.mark.parametrize('name', ['m2ir_timm_demo', 'm2restore_timm_demo'])
def test_configs_name_the_labels_of_their_data(name):
    config = load_config(ROOT / f'configs/{name}.py')
    labels = config.model.network.prior.labels
    assert config.model.network.prior.type == 'TimmPrior'
    assert list(config.train_dataloader.dataset.degradations) == labels
    assert config.model.losses.label.names == labels


def test_the_fragment_is_a_prior(tmp_path):
    path = tmp_path / 'config.yaml'
    path.write_text(
        f'_base_: [{BASES}/models/unet.yaml, {BASES}/priors/timm.yaml]\n'
        'model:\n'
        '  network: {prior: {{_base_._prior}}}\n'
        '  losses: {label: {type: DegradationLabelLoss, names: {{_base_._prior.labels}}}}\n'
    )
    model = load_config(path, sections=['model']).model
    assert model.network.prior.type == 'TimmPrior' and model.network.prior.backbone == 'resnet18'
    assert model.losses.label.names == model.network.prior.labels
