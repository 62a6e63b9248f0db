import importlib

import numpy as np
import pytest
import torch
from PIL import Image

import irbox
from irbox.layers.feed_forward import GatedFeedForward
from irbox.restore.memory_need import MemoryNeed
from support.small_model import NAMES, small_model


@pytest.fixture(scope='module')
def model():
    return small_model()


def photo(height=40, width=52, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3)).astype(np.uint8)


def test_it_says_what_it_is(model):
    assert model.name == 'small'
    assert model.tasks == NAMES
    assert model.multiple == 2
    assert model.parameters == sum(weight.numel() for weight in model.network.parameters())
    assert not model.supports_half
    assert model.licence is None
    assert model.source == 'a test'
    assert len(model.digest) == 64
    assert 'small (haze, rain, noise' in repr(model)


def test_the_answer_is_what_the_network_gives(model):
    image = photo()
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        expected = (model.network(tensor).clamp(0, 1) * 255).round()[0].permute(1, 2, 0)
    assert np.array_equal(model.restore(image), expected.numpy().astype(np.uint8))
    torch.testing.assert_close(model(tensor), model.network(tensor).clamp(0, 1))


@pytest.mark.parametrize('size', [(1, 1), (1, 40), (8, 300), (600, 8), (3, 5)])
@pytest.mark.parametrize('tile', ['auto', 32])
def test_every_size(model, size, tile):
    answer = model.restore(photo(*size), tile=tile)
    assert answer.shape == (*size, 3)
    assert answer.dtype == np.uint8


def test_every_kind_comes_back_as_its_kind(model):
    array = photo()
    grey = array[..., 0]
    for image in (array, grey, array.astype(np.uint16) * 257, array / np.float32(255)):
        answer = model.restore(image)
        assert answer.dtype == image.dtype
        assert answer.shape == image.shape
    assert model.restore(Image.fromarray(grey)).mode == 'L'
    batch = torch.rand(2, 3, 12, 14, dtype=torch.float64)
    answer = model.restore(batch)
    assert answer.shape == batch.shape
    assert answer.dtype == batch.dtype
    torch.testing.assert_close(answer[1], model.restore(batch[1]))
    several = model.restore([array, Image.fromarray(array)])
    assert np.array_equal(several[0], np.asarray(several[1]))


def test_deep_images_keep_their_steps(model):
    image = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    assert len(np.unique(model.restore(image))) > 2000


def test_tiles_are_close_to_the_whole(model):
    image = photo(96, 80)
    whole = model.restore(image).astype(float)
    tiled, report = model.restore(image, tile=48, overlap=16, report=True)
    assert report.tiles > 1
    assert np.abs(tiled - whole).mean() < 2


def test_the_prior_sees_the_whole_once(model):
    calls = []
    handle = model.network.prior.register_forward_hook(lambda m, i, o: calls.append(i[0].shape))
    model.restore(photo(96, 80), tile=32)
    handle.remove()
    assert calls == [(1, 3, 96, 80)]


def test_strength_needs_no_other_run(model):
    image = photo()
    done = model.run(image)
    assert np.array_equal(done.at(0), image)
    assert np.array_equal(done.at(1), model.restore(image))
    half = done.at(0.5).astype(float)
    assert np.abs(half - (done.at(0).astype(float) + done.at(1)) / 2).max() <= 0.5
    assert np.array_equal(model.restore(image, strength=0.5), done.at(0.5))
    with pytest.raises(ValueError, match='from 0'):
        done.at(1.5)


def test_only_within_the_mask(model):
    image = photo(64, 64)
    mask = np.zeros((64, 64), bool)
    mask[20:50, 10:40] = True
    calls = []
    handle = model.network.register_forward_hook(lambda *_: calls.append(1))
    answer, report = model.restore(image, mask=mask, tile=32, overlap=0, report=True)
    handle.remove()
    assert np.array_equal(answer[~mask], image[~mask])
    assert np.array_equal(answer[35, 25], model.restore(image, tile=32, overlap=0)[35, 25])
    assert not np.array_equal(answer, image)
    assert model.restore(image, mask=~mask * False).tolist() == image.tolist()


def test_nothing_runs_where_nothing_changes(model):
    image, mask = photo(64, 64), np.zeros((64, 64), bool)
    mask[:20, :20] = True
    calls = []
    handle = model.network.register_forward_hook(lambda *_: calls.append(1))
    model.restore(image, mask=mask, tile=32, overlap=0)
    handle.remove()
    assert len(calls) == 1


def test_transparent_and_wide_pixels_stay(model):
    rng = np.random.default_rng(0)
    image = rng.random((20, 20, 4)).astype(np.float32)
    image[:5, :, 3] = 0
    image[10, 10, 0], image[12, 3, 2] = 1.4, -0.2
    answer = model.restore(image)
    assert np.array_equal(answer[..., 3], image[..., 3])
    assert np.array_equal(answer[:5], image[:5])
    assert np.array_equal(answer[10, 10], image[10, 10])
    assert np.array_equal(answer[12, 3], image[12, 3])
    assert not np.array_equal(answer[15], image[15])


def test_what_the_prior_believes_is_replaced(model):
    image = photo()
    own, report = model.restore(image, report=True)
    assert sum(report.degradations.values()) == pytest.approx(1, abs=1e-3)
    assert report.steered == {}
    told, report = model.restore(image, degradations={'rainy': 1}, report=True)
    assert report.steered == {'haze': 0, 'rain': 1, 'noise': 0}
    assert not np.array_equal(own, told)
    assert np.array_equal(told, model.restore(image, task='rain'))
    assert not np.array_equal(own, model.restore(image, not_='rain'))


def test_two_beliefs_are_blended_by_a_mask():
    model = small_model()
    with torch.no_grad():
        model.network.before_levels[0][0].router.prior_bias.weight.mul_(50)
    image = photo(48, 48) / 255
    mask = np.zeros((48, 48), np.uint8)
    mask[:, 20:] = 128
    mask[:, 32:] = 255
    own = model.restore(image)
    told = model.restore(image, task='rain')
    both = model.restore(image, task='rain', steer_mask=mask)
    assert np.abs(own - told).max() > 0.01
    assert np.array_equal(both[:, :20], own[:, :20])
    assert np.array_equal(both[:, 32:], told[:, 32:])
    share = mask[..., None] / 255
    # Where nothing was clipped to black or white.
    inside = (np.minimum(own, told) > 0) & (np.maximum(own, told) < 1)
    assert inside[:, 20:32].sum() > 100
    np.testing.assert_allclose(both[inside], (own + (told - own) * share)[inside], atol=1e-5)
    with pytest.raises(ValueError, match='steer_mask says where'):
        model.restore(image, steer_mask=mask)


def test_naming_the_places_of_routings_does_not_slow_the_picture(monkeypatch):
    ran = []
    in_strips = GatedFeedForward.in_strips
    monkeypatch.setattr(
        GatedFeedForward,
        'in_strips',
        lambda *given, **more: ran.append(0) or in_strips(*given, **more),
    )
    model = small_model()
    blocks = sum(isinstance(one, GatedFeedForward) for one in model.network.modules())
    for _ in range(2):
        ran.clear()
        _, report = model.restore(photo(), report=True)
        assert report.experts and len(ran) == blocks


def test_a_model_without_a_prior_cannot_be_told():
    model = small_model(network={'prior': None}, names=[])
    with pytest.raises(ValueError, match='has no prior'):
        model.restore(photo(), task='rain')
    _, report = model.restore(photo(), report=True)
    assert report.degradations == {}


def test_the_report(model):
    _, report = model.restore(photo(64, 96), tile=48, report=True)
    assert report.size == (64, 96)
    assert report.megapixels == pytest.approx(64 * 96 / 1e6)
    assert report.seconds > 0
    shares = report.experts
    assert list(shares) == ['encoder 1: before_level']
    assert sum(shares['encoder 1: before_level']) == pytest.approx(2, abs=1e-3)
    assert report.as_dict()['tiles'] == report.tiles == 6
    assert report.precision.startswith('float32')


def test_memory_that_runs_out_on_the_way(model, monkeypatch):
    image = photo(64, 96)
    expected = model.restore(image, tile='none').astype(float)
    forward = type(model.network).forward

    def scarce(self, tile, context=None):
        if tile.shape[-1] * tile.shape[-2] > 2500:
            raise torch.OutOfMemoryError('out of memory')
        return forward(self, tile, context)

    monkeypatch.setattr(type(model.network), 'forward', scarce)
    monkeypatch.setattr(model, '_need', MemoryNeed(1, 1))
    answer, report = model.restore(image, report=True)
    assert 'out of memory at 64x96' in report.notes[0]
    assert np.abs(answer - expected).mean() < 3
    with pytest.raises(ValueError, match='the size that was set'):
        model.restore(image, tile=64)


def test_the_need_is_measured_once(model, monkeypatch):
    monkeypatch.setattr(model, '_need', None)
    model.restore(photo(80, 80))
    first = model._need
    model.restore(photo(90, 80), max_memory='100G')
    assert model._need is first is not None


def test_bfloat16_by_name_and_by_the_card():
    model = small_model(precision='bf16')
    assert model.precision == 'bfloat16: as asked for'
    image = photo()
    exact = small_model().restore(image).astype(float)
    assert 0 < np.abs(model.restore(image) - exact).mean() < 3
    assert small_model().precision.startswith("float32: the model's card does not say")


def test_a_batch_must_be_a_batch(model):
    with pytest.raises(ValueError, match=r'\(B, 3, H, W\), got \(3, 4, 4\)'):
        model(torch.zeros(3, 4, 4))


def test_in_one_call_before_and_after_the_package_is_imported(model):
    image = photo()
    assert np.array_equal(irbox.restore(image, model=model), model.restore(image))
    importlib.import_module('irbox.restore.load')
    assert np.array_equal(irbox.restore(image, model), model.restore(image))
    from irbox import restore

    assert callable(restore)


def test_a_path_gives_what_can_be_saved(model, tmp_path):
    image = Image.fromarray(photo(40, 52))
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    image.save(tmp_path / 'in.png', exif=exif)
    done, report = model.restore(tmp_path / 'in.png', report=True)
    assert report.size == (52, 40)
    done.save(tmp_path / 'out.png')
    with Image.open(tmp_path / 'out.png') as written:
        assert written.size == (40, 52)
        upright = np.asarray(image.transpose(Image.Transpose.ROTATE_270))
        assert np.array_equal(np.asarray(written), model.restore(upright))
    with pytest.raises(ValueError, match='read from a file'):
        model.run(photo()).save(tmp_path / 'other.png')
    with pytest.raises(FileNotFoundError):
        model.restore(tmp_path / 'none.png')
