"""The eight rules that reading a published set keeps, on one small set with every oddity."""

import numpy as np
import pytest
import torch
from PIL import Image

from irbox.datasets import PairedImageDataset, source_report
from support.data_trees import picture, save

# Parents that a string replacement in the whole path would stumble over.
PARENTS = 'input/low/rain/blur/hazy_rain'


@pytest.fixture
def root(tmp_path):
    """Rain100L as its authors name it: normal, RGBA input, RGBA target, grey, 2 pixels larger."""
    root = tmp_path / PARENTS
    rgba = picture(1).convert('RGBA')
    rgba.putalpha(Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 30)))
    degraded = [picture(0), rgba, picture(2), picture(3).convert('L'), picture(4)]
    clean = [picture(5), picture(6), rgba, picture(7), picture(8, 32, 22)]
    for number, (one, two) in enumerate(zip(degraded, clean, strict=True), start=8):
        save(root / 'rain_data_train_Light' / 'rain' / f'norain-{number}x2.png', one)
        save(root / 'rain_data_train_Light' / 'norain' / f'norain-{number}.PNG', two)
    return root


def build(root, **options):
    return PairedImageDataset(
        {'rain': {'set': 'rain100l', 'split': 'train', 'root': str(root)}}, **options
    )


def test_0_1_both_images_become_rgb_and_alpha_is_dropped(root):
    dataset = build(root)
    for index in range(4):
        item = dataset[index]
        assert item['image'].shape == item['target'].shape == (3, 20, 30)
    expected = np.asarray(picture(1), dtype=np.float32).transpose(2, 0, 1) / 255
    np.testing.assert_array_equal(dataset[1]['image'].numpy(), expected)
    np.testing.assert_array_equal(dataset[2]['target'].numpy(), expected)
    grey = dataset[3]['image']
    assert torch.equal(grey[0], grey[1]) and torch.equal(grey[0], grey[2])


def test_0_2_names_are_sorted_naturally(root):
    assert build(root).names == [f'norain-{number}x2' for number in (8, 9, 10, 11, 12)]


def test_0_3_the_clean_path_is_not_made_by_replacing_text(root):
    for pair in build(root).pairs:
        assert pair.clean.parent == root / 'rain_data_train_Light' / 'norain'


def test_0_4_suffixes_are_searched_and_nothing_is_dropped_in_silence(root):
    folder = root / 'rain_data_train_Light' / 'norain'
    for number, suffix in ((8, 'JPG'), (9, 'jpeg'), (10, 'bmp'), (11, 'TIF')):
        (folder / f'norain-{number}.PNG').unlink()
        save(folder / f'norain-{number}.{suffix}')
    assert len(build(root)) == 5
    (folder / 'norain-9.jpeg').unlink()
    (folder / 'norain-12.PNG').unlink()
    with pytest.raises(ValueError, match=r'2 of 5 .*: norain-9x2\.png, norain-12x2\.png\.'):
        build(root)
    assert len(build(root, strict=False)) == 3


def test_0_5_sizes_that_differ_are_an_error_or_counted(root, monkeypatch):
    said = []
    monkeypatch.setattr(source_report, 'print_log', lambda text, **_: said.append(text))
    dataset = build(root)
    with pytest.raises(ValueError, match='is 30x20, the clean one 32x22'):
        dataset[4]
    for policy in ('center_crop_to_min', 'resize_clean_to_input'):
        said.clear()
        dataset = build(root, size_policy=policy)
        assert f'(rain 5; 1 whose sizes differ: {policy})' in said[0]
        assert dataset[4]['image'].shape == dataset[4]['target'].shape == (3, 20, 30)
    cropped = build(root, size_policy='center_crop_to_min')[4]['target']
    whole = np.asarray(picture(8, 32, 22), dtype=np.float32).transpose(2, 0, 1) / 255
    np.testing.assert_array_equal(cropped.numpy(), whole[:, 1:21, 1:31])


def test_0_6_images_smaller_than_the_patch(root):
    for policy in ('reflect_pad', 'resize_up'):
        item = build(root, patch_size=24, small_images=policy)[0]
        assert item['image'].shape == (3, 24, 24)
    save(root / 'rain_data_train_Light' / 'rain' / 'norain-13x2.png', picture(0, 40, 40))
    save(root / 'rain_data_train_Light' / 'norain' / 'norain-13.png', picture(0, 40, 40))
    dataset = build(root, patch_size=24, small_images='skip')
    assert dataset.names == ['norain-13x2']
    assert dataset.notes == ['Data source rain: 1 pairs (rain 1; 5 smaller than the patch)']


def test_0_7_items_are_named_and_labelled(root):
    item = build(root)[0]
    assert set(item) == {'image', 'target', 'label', 'name'}
    assert (item['label'], item['name']) == ('rain', 'norain-8x2')


@pytest.mark.parametrize(
    ('policy', 'size'),
    [
        (None, (20, 30)),
        ('center_crop', (16, 16)),
        ('reflect_pad', (32, 32)),
        ('resize_up', (32, 32)),
    ],
)
def test_0_8_multiples_are_a_policy_of_their_own(root, policy, size):
    given = policy and {'multiple': 16, 'policy': policy}
    item = build(root, to_multiple=given)[0]
    assert item['image'].shape == item['target'].shape == (3, *size)
