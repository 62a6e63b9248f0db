"""Images and shares of experts at validation, by the back-ends that need no service."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.visualization import Visualizer
from PIL import Image

from irbox.engine.hooks.validation_samples_hook import ValidationSamplesHook, expert_shares
from support.small_model import small_model


def sample(label, level):
    image = torch.full((3, 16, 20), level)
    return {'label': label, 'image': image, 'restored': image + 0.1, 'target': image + 2}


def validate(hook, visualizer, outputs):
    model = SimpleNamespace(network=small_model().network)
    runner = SimpleNamespace(model=model, visualizer=visualizer, iter=7)
    hook.before_val(runner)
    for number, output in enumerate(outputs):
        hook.after_val_iter(runner, number, None, [output])
    hook.after_val(runner)
    return model.network


class Kept:
    def __init__(self):
        self.images, self.scalars = {}, {}

    def add_image(self, name, image, step):
        assert step == 7
        self.images[name] = image

    def add_scalars(self, values, step):
        assert step == 7
        self.scalars |= values


def test_the_first_image_of_each_degradation():
    kept = Kept()
    outputs = [sample('haze', 0.2), sample('haze', 0.6), sample('rain', 0.4)]
    network = validate(ValidationSamplesHook(side=8), kept, outputs)
    assert {name: image.shape for name, image in kept.images.items()} == {
        'val_haze': (8, 24, 3),
        'val_rain': (8, 24, 3),
    }
    haze = kept.images['val_haze']
    # Degraded, restored, and a clean one that is brighter than white.
    assert haze[0, [0, 8, 16], 0] == pytest.approx([51, 76.5, 255], abs=0.6)
    wanted = expert_shares(network, torch.full((3, 8, 8), 0.2))
    assert len(wanted) == 3  # experts at one place
    assert sum(wanted.values()) == pytest.approx(2)  # two of them for each pixel
    for (place, expert), share in wanted.items():
        assert kept.scalars[f'experts/{place}/haze/{expert}'] == pytest.approx(share)


def test_shares_against_pixels():
    network, image = small_model().network, torch.rand(3, 8, 8)
    with torch.no_grad():
        context = network.describe(image[None])
        network(image[None], context)
    (routing,) = context.routings
    for (place, expert), share in expert_shares(network, image).items():
        assert place == 1
        weights = routing.weights[0, int(expert.split()[1]) - 1].flatten().tolist()
        assert share == pytest.approx(sum(w > 0 for w in weights) / len(weights))


def test_nothing_to_show_shows_nothing():
    kept = Kept()
    validate(ValidationSamplesHook(), kept, [{'image': torch.zeros(3, 8, 8)}])
    assert kept.images == kept.scalars == {}


def test_the_backends_that_need_no_service(tmp_path):
    pytest.importorskip('tensorboard')
    backends = [{'type': 'LocalVisBackend'}, {'type': 'TensorboardVisBackend'}]
    visualizer = Visualizer(vis_backends=backends, save_dir=str(tmp_path))
    validate(ValidationSamplesHook(side=8), visualizer, [sample('haze', 0.2)])
    visualizer.close()
    (picture,) = tmp_path.rglob('val_haze_7.png')
    assert np.asarray(Image.open(picture)).shape == (8, 24, 3)
    (log,) = tmp_path.rglob('scalars.json')
    assert 'experts/1/haze/expert 1' in log.read_text()

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / 'vis_data')).Reload()
    assert events.Tags()['images'] == ['val_haze']
    assert 'experts/1/haze/expert 3' in events.Tags()['scalars']
