import pytest
import torch
from torch import nn

from irbox.models import Restorer
from irbox.registry import LOSSES, MODELS

BLOCK = {'block': {'type': 'TransformerBlock'}}
NETWORK = {
    'type': 'RestorationUNet',
    'dim': 8,
    'depths': [1, 1],
    'heads': [1, 2],
    'refinement': 1,
    'encoder': BLOCK,
    'bottleneck': BLOCK,
    'decoder': BLOCK,
    'prior': {'type': 'MLPPrior', 'num_degradations': 2, 'feature_dim': 8, 'width': 4},
}
LOSS = {
    'pixel': {'type': 'L1Loss'},
    'label': {'type': 'DegradationLabelLoss', 'names': ['haze', 'rain']},
    'off': None,
}


def batch(size=(9, 14)):
    image, target = torch.rand(2, 3, *size), torch.rand(2, 3, *size)
    return {'image': image, 'target': target, 'label': ['haze', 'rain'], 'name': ['a', 'b']}


@pytest.fixture
def model():
    return Restorer(NETWORK, LOSS)


def test_tensor_mode_is_the_network(model):
    model.eval()
    image = batch()['image']
    assert torch.equal(model(image), model.network(image))


def test_loss_mode_gives_a_scalar_per_loss(model):
    given = batch()
    losses = model(**given, mode='loss')
    assert set(losses) == {'loss_pixel', 'loss_label'}  # a loss set to null is left out
    restored = model.network(given['image'])
    torch.testing.assert_close(losses['loss_pixel'], (restored - given['target']).abs().mean())
    probabilities = model.network.prior(given['image']).probabilities
    wanted = -0.1 * (probabilities[0, 0].log() + probabilities[1, 1].log()) / 2
    torch.testing.assert_close(losses['loss_label'], wanted)


def test_a_share_of_the_batch_is_restored_again_and_judged_by_what_compares_images():
    given = batch()
    model = Restorer(NETWORK, LOSS, again=0.5)
    losses = model(**given, mode='loss')
    assert set(losses) == {'loss_pixel', 'loss_label', 'loss_pixel_again'}
    first = model.network(given['image'])[:1].detach().clamp(0, 1).mul(255).round() / 255
    second = (model.network(first) - given['target'][:1]).abs().mean()
    torch.testing.assert_close(losses['loss_pixel_again'], second / 2)
    # Of the first answer nothing is learned by the second one's error.
    losses['loss_pixel_again'].backward()
    gradient = model.network.embed.weight.grad.clone()
    model.zero_grad()
    (second / 2).backward()
    torch.testing.assert_close(model.network.embed.weight.grad, gradient)


def test_the_first_losses_are_the_same_with_and_without_a_second_time(model):
    again = Restorer(NETWORK, LOSS, again=1.0)
    again.load_state_dict(model.state_dict())
    given = batch()
    plain, twice = model(**given, mode='loss'), again(**given, mode='loss')
    assert {name: value.item() for name, value in twice.items() if name in plain} == {
        name: value.item() for name, value in plain.items()
    }


def test_the_prior_runs_once_per_training_step(model):
    calls = []
    model.network.prior.register_forward_hook(lambda *_: calls.append(1))
    model(**batch(), mode='loss')
    assert len(calls) == 1


def test_losses_are_float32_under_mixed_precision(model):
    with torch.autocast('cpu', torch.bfloat16):
        losses = model(**batch(), mode='loss')
    assert all(value.dtype == torch.float32 for value in losses.values())


def test_predict_mode_gives_a_dict_per_image(model):
    model.eval()
    given = batch()
    with torch.no_grad():
        answers = model(**given, mode='predict')
        restored = model(given['image'])
    assert len(answers) == 2
    for index, answer in enumerate(answers):
        assert set(answer) == {'restored', 'unclipped', 'image', 'target', 'label', 'name'}
        assert torch.equal(answer['restored'], restored[index].clamp(0, 1))
        assert torch.equal(answer['target'], given['target'][index])
        assert (answer['label'], answer['name']) == (given['label'][index], given['name'][index])


def test_predict_mode_works_on_images_alone_and_clips(model):
    with torch.no_grad():
        model.network.output.weight.mul_(100)
        (answer,) = model(batch()['image'][:1], mode='predict')
        assert model(batch()['image']).max() > 1
    assert set(answer) == {'restored', 'unclipped', 'image'}
    assert answer['unclipped'].max() > 1
    assert answer['restored'].min() == 0 and answer['restored'].max() == 1
    assert answer['restored'].dtype == torch.float32


def test_mmengines_train_step_sums_the_losses_and_learns(model):
    from mmengine.optim import OptimWrapper

    wrapper = OptimWrapper(torch.optim.Adam(model.parameters(), lr=1e-3))
    given = batch()
    values = [model.train_step(given, wrapper) for _ in range(8)]
    total = values[0]['loss_pixel'] + values[0]['loss_label']
    torch.testing.assert_close(values[0]['loss'], total)
    assert values[-1]['loss'] < values[0]['loss']


def test_unknown_mode_is_refused(model):
    with pytest.raises(ValueError, match="mode='train' is unknown"):
        model(batch()['image'], mode='train')


def test_unknown_loss_is_named():
    with pytest.raises(ValueError, match="No loss is called 'L1Los'. Did you mean 'L1Loss'"):
        Restorer(NETWORK, {'pixel': {'type': 'L1Los'}})


def test_is_registered_for_the_runner():
    model = MODELS.build({'type': 'Restorer', 'network': NETWORK, 'losses': LOSS})
    assert isinstance(model, Restorer)


def test_state_holds_the_network_alone(model):
    assert all(key.startswith('network.') for key in model.state_dict())


@LOSSES.register_module()
class _WithBuffer(nn.Module):
    """Like a perceptual loss: it holds tensors that must be where the images are."""

    def __init__(self, weight=1.0):
        super().__init__()
        self.weight = weight
        self.register_buffer('kernel', torch.ones(3, 1, 1, 1), persistent=False)

    def forward(self, restored, target, context):
        filtered = nn.functional.conv2d(restored - target, self.kernel, groups=3)
        return self.weight * filtered.abs().mean()


class _Witness(nn.Module):
    """Notes which labels there are when the network runs, and when it is judged."""

    def __init__(self, weight=1.0):
        super().__init__()
        self.seen = []

    def forward(self, restored, target, context):
        self.seen.append(context.labels)
        return (restored - target).abs().mean()


def test_losses_see_the_labels_and_the_network_does_not(model):
    model.losses['pixel'] = witness = _Witness()
    contexts = []
    model.network.register_forward_pre_hook(
        lambda _, given: contexts.append(given[1].labels), with_kwargs=False
    )
    model(**batch(), mode='loss')
    assert witness.seen == [['haze', 'rain']]
    assert contexts == [None]


@LOSSES.register_module()
class _OldForm(nn.Module):
    uses_label = True

    def __init__(self, weight=1.0):
        super().__init__()

    def forward(self, restored, target, context, label):
        return restored.new_tensor(float(len(label[0])))


def test_a_loss_that_takes_labels_as_an_argument_works_for_one_more_version():
    with pytest.warns(DeprecationWarning, match=r'_OldForm\.uses_label.*`context\.labels`'):
        model = Restorer(NETWORK, {'old': {'type': '_OldForm'}})
    assert model(**batch(), mode='loss')['loss_old'] == 4


def test_what_a_loss_cannot_judge_is_said_with_its_place(model):
    given = batch() | {'label': ['haze', 'sleet']}
    with pytest.raises(ValueError, match=r"^model\.losses\.label: The label 'sleet' names sleet"):
        model(**given, mode='loss')


def test_losses_move_with_the_model():
    model = Restorer(NETWORK, {'pixel': {'type': '_WithBuffer'}}).to(torch.float64)
    assert model.losses['pixel'].kernel.dtype == torch.float64
