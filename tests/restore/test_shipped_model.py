"""The model that comes with irbox restores, and says what it is."""

import json

import numpy as np
import pytest
from PIL import Image

import irbox
from irbox.config.load_config import load_config
from irbox.datasets.photographs import photograph
from irbox.degradations import GaussianNoise, Haze, LowLight
from irbox.restore.shipped import SHIPPED, default_model
from support.paths import ROOT

LARGEST, PARAMETERS = 6_000_000, 3_000_000


@pytest.fixture(scope='module')
def model():
    return irbox.load('small')


@pytest.fixture(scope='module')
def clean():
    """A photograph that nothing which made the model has seen, half as large."""
    image = photograph('chelsea').image
    return np.asarray(image.resize((224, 150)), np.float32) / 255


def psnr(one, other):
    return -10 * np.log10(np.square(one - other).mean())


def gain(model, clean, degraded):
    image = Image.fromarray(np.uint8(degraded.clip(0, 1) * 255 + 0.5))
    restored = np.asarray(model.restore(image), np.float32) / 255
    return psnr(restored, clean) - psnr(np.asarray(image, np.float32) / 255, clean)


def test_it_is_the_default():
    assert default_model() == str(SHIPPED['small']) and list(SHIPPED) == ['small']


def test_it_is_small():
    folder = SHIPPED['small']
    assert (folder / 'model.safetensors').stat().st_size <= LARGEST
    card = json.loads((folder / 'config.json').read_text())['card']
    assert card['licence'] == 'Apache-2.0'
    assert 'scenes' in card['trained_on'] and 'haze' in card['tasks']
    assert (folder / 'README.md').exists()


def test_it_says_what_it_was_trained_on(model):
    assert sum(weight.numel() for weight in model.network.parameters()) <= PARAMETERS
    assert 'scenes' in str(model.source)


@pytest.mark.parametrize(
    ('degradation', 'least'), [(GaussianNoise(25), 6), (LowLight(), 3), (Haze(), 0.5)]
)
def test_it_makes_better(model, clean, degradation, least):
    rng = np.random.default_rng(0)
    depth = np.linspace(1, 0, clean.shape[0], dtype=np.float32)[:, None].repeat(clean.shape[1], 1)
    assert gain(model, clean, degradation(clean, rng, depth)) > least


def test_it_leaves_alone_what_is_good(model, clean):
    image = Image.fromarray(np.uint8(clean * 255 + 0.5))
    assert psnr(np.asarray(model.restore(image), np.float32) / 255, clean) > 38


def test_it_is_the_network_of_its_config():
    network = load_config(ROOT / 'configs/small_2.py', sections=['model']).to_dict()['model']
    labels = network['network']['prior']['labels']
    assert labels == network['losses']['label']['names']
    content = json.loads((SHIPPED['small'] / 'config.json').read_text())
    assert content['model']['network'] == network['network']
    assert content['card']['degradations'] == labels
