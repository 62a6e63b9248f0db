import json
import math
import random

import pytest

from irbox.evaluation.tables import (
    ImageRow,
    compare_images,
    comparison_table,
    interval_table,
    mean_interval,
)
from irbox.utils.console import console


def rows(seed, gain=0.0, tasks=('rain', 'haze'), protocol='aio', count=9):
    """Images of very different difficulty, as they are; a gain, and a little chance."""
    source = random.Random(seed)
    return [
        ImageRow(
            task,
            f'image_{i}',
            protocol,
            {'psnr': 20 + i + gain + source.gauss(0, 0.1), 'ssim': 0.5 + i / 100},
        )
        for task in tasks
        for i in range(count)
    ]


def test_pairs_tell_what_means_do_not():
    first, second = rows(0), rows(1, gain=0.3)
    random.Random(5).shuffle(second)  # paired by name, in whatever order
    found = {(one.score, one.task): one for one in compare_images(first, second)}
    assert list(found) == [(s, t) for s in ('psnr', 'ssim') for t in ('rain', 'haze', 'mean')]
    rain = found['psnr', 'rain']
    assert rain.images == 9 and found['psnr', 'mean'].images == 18
    wanted = sum(
        b.scores['psnr'] - a.scores['psnr']
        for a in first
        for b in second
        if a.task == b.task == 'rain' and a.image == b.image
    )
    assert rain.difference.mean == pytest.approx(wanted / 9)
    # By themselves the means could be anything; image by image the second is better.
    assert rain.second.low < rain.first.mean < rain.second.high
    assert 0.1 < rain.difference.low < 0.3 < rain.difference.high < 0.5
    assert (rain.signs.higher, rain.signs.p) == (9, 2 / 2**9)
    same = found['ssim', 'haze']
    assert same.difference.mean == 0 and same.signs.equal == 9 and same.signs.p == 1


def test_the_mean_is_over_tasks():
    first = rows(0, tasks=('rain',), count=4) + rows(0, tasks=('haze',), count=20)
    mean = compare_images(first, first)[2]
    assert mean.task == 'mean'
    groups = [[r.scores['psnr'] for r in first if r.task == task] for task in ('rain', 'haze')]
    assert mean.first == mean_interval(groups)


def test_infinite_scores():
    first = [ImageRow('rain', str(i), 'aio', {'psnr': p}) for i, p in enumerate([math.inf, 30])]
    second = [ImageRow('rain', str(i), 'aio', {'psnr': p}) for i, p in enumerate([math.inf, 31])]
    (found,) = compare_images(first, second, ['psnr'])
    assert found.first.mean == math.inf and found.difference.mean == 0.5
    assert found.signs.equal == 1
    assert json.loads(json.dumps(found.content(), allow_nan=False))['first']['mean'] is None


def test_what_cannot_be_compared():
    with pytest.raises(ValueError, match=r'scored by aio, the second by y601'):
        compare_images(rows(0), rows(0, protocol='y601'))
    with pytest.raises(ValueError, match=r"first has no score 'lpips' by aio"):
        compare_images(rows(0), rows(0), ['lpips'])
    with pytest.raises(ValueError, match=r'tasks rain, the second snow: none is in both'):
        compare_images(rows(0, tasks=('rain',)), rows(0, tasks=('snow',)))
    with pytest.raises(ValueError, match=r'image_9, image_10.*one of the two only'):
        compare_images(rows(0, tasks=('rain',)), rows(0, tasks=('rain',), count=11))
    with pytest.raises(ValueError, match=r'image_0 of the task rain is there twice'):
        compare_images(rows(0) + rows(0), rows(0))


def test_a_narrow_terminal_leaves_no_digit_out(capsys):
    found = compare_images(rows(0), rows(1, 0.3))
    terminal = console()
    terminal.width = 80
    terminal.print(comparison_table(found))
    text = capsys.readouterr().out
    cells = [line.split('│')[1:-1] for line in text.splitlines() if line.startswith('│')]
    columns = [''.join(lines).replace(' ', '') for lines in zip(*cells, strict=True)]
    for number, one in enumerate(('first', 'second', 'difference')):
        digits = [2, 4] if number < 2 else [3, 5]
        sign = '+' if number == 2 else ''
        texts = [getattr(c, one).text(digits[c.score == 'ssim'], sign) for c in found]
        assert columns[3 + number] == ''.join(texts).replace(' ', '')


def test_tables(capsys):
    terminal = console()
    terminal.width = 200
    terminal.print(comparison_table(compare_images(rows(0), rows(1, 0.3)), 'Both'))
    terminal.print(interval_table(rows(0) + rows(0)))
    text = capsys.readouterr().out
    assert 'Both' in text and '9 / 0 / 0' in text and '0.0039' in text
    interval = mean_interval([[r.scores['psnr'] for r in rows(0) * 2 if r.task == 'rain']])
    assert interval.text(2) in text
