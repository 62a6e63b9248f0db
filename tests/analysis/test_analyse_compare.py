"""Methods beside each other: scores, the box, the page."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from irbox.analysis.compare import INPUT, analyze, choose_box, compare, from_folder
from irbox.analysis.output import Output
from irbox.analysis.samples import Sample
from irbox.evaluation import score


def sample():
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(3, 32, 48, generator=generator)
    return Sample('a_photo', 'haze', (0.5 + clean / 2), clean)


def brighter(by):
    return lambda one: one.degraded + by


def test_scores_are_the_protocols():
    one = sample()
    found = compare(one, {'mine': brighter(-0.2)}, 'y601')
    wanted = score((one.degraded - 0.2)[None], one.clean[None], 'y601')
    assert found.scores['mine']['psnr'] == pytest.approx(float(wanted['psnr']))
    assert found.scores['mine']['ssim'] == pytest.approx(float(wanted['ssim']))
    assert list(found.scores) == [INPUT, 'mine']
    assert list(found.images) == [INPUT, 'mine', 'ground truth']


def test_a_protocol_that_does_not_clip_scores_what_was_not_clipped():
    one = sample()
    found = compare(one, {'mine': brighter(0.5)}, 'm2restore_legacy')
    wanted = score((one.degraded + 0.5)[None], one.clean[None], 'm2restore_legacy')
    assert found.scores['mine']['psnr'] == pytest.approx(float(wanted['psnr']))
    assert found.images['mine'].max() == 1


def test_the_box_is_where_methods_differ_most():
    images = [torch.rand(3, 12, 15) for _ in range(4)]
    left, top, *size = choose_box(images, 4)
    assert size == [4, 4]
    spread = {}
    for y in range(12 - 3):
        for x in range(15 - 3):
            crops = np.array([one[:, y : y + 4, x : x + 4].double().numpy() for one in images[1:]])
            spread[x, y] = crops.var(0).mean()
    assert (left, top) == max(spread, key=spread.get)


def test_with_one_method_it_is_where_it_changes_most():
    before = torch.zeros(3, 10, 10)
    after = before.clone()
    after[:, 6:9, 2:5] = 1
    assert choose_box([before, after], 3) == (2, 6, 3, 3)
    assert choose_box([before, after], 99) == (0, 0, 10, 10)


def test_what_does_not_fit():
    with pytest.raises(ValueError, match=r'mine gives 8x8 for a_photo, which is 48x32'):
        compare(sample(), {'mine': lambda one: torch.zeros(3, 8, 8)})
    with pytest.raises(ValueError, match=r'--box 40,0,10,10 leaves a_photo, which is 48x32'):
        compare(sample(), {'mine': brighter(0)}, box=(40, 0, 10, 10))


def test_a_folder_of_results(tmp_path):
    values = (255 * torch.rand(32, 48, 3)).byte().numpy()
    Image.fromarray(values).save(tmp_path / 'haze_a_photo.png')
    restored = from_folder(tmp_path)(sample())
    assert torch.equal((restored * 255).round().byte(), torch.from_numpy(values).permute(2, 0, 1))
    (tmp_path / 'haze_a_photo.png').rename(tmp_path / 'other.png')
    with pytest.raises(FileNotFoundError, match=r'neither haze_a_photo\.png nor a_photo\.png'):
        from_folder(tmp_path)(sample())
    with pytest.raises(FileNotFoundError, match='no folder'):
        from_folder(tmp_path / 'none')


def test_what_is_written(tmp_path):
    pytest.importorskip('matplotlib')
    methods = {'mine <1>': brighter(-0.2), 'theirs': brighter(0.1)}
    rows = analyze([sample()], methods, Output(tmp_path, 'compare', {}))
    assert [(row['method'], row['protocol']) for row in rows] == [
        (INPUT, 'aio'),
        ('mine <1>', 'aio'),
        ('theirs', 'aio'),
    ]
    for kind in ('png', 'pdf', 'svg'):
        assert (tmp_path / f'compare_a_photo.{kind}').exists()
    page = (tmp_path / 'compare.html').read_text()
    assert not re.findall(r'https?:|src="[^"]', page)  # nothing is fetched
    assert page.count('<input type="range"') == 3  # two methods and the ground truth
    assert 'mine &lt;1&gt;' in page
    data = re.search(r'"0\.0": "([^"]+)"', page)[1]
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    wanted = (sample().degraded * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(shown, wanted)
