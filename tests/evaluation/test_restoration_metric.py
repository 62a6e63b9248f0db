import pytest
import torch
from mmengine.evaluator import Evaluator

from irbox.evaluation import RestorationMetric, score


def samples(labels):
    generator = torch.Generator().manual_seed(0)
    return [
        {
            'label': label,
            'name': f'image_{index}',
            'image': torch.rand(3, 32, 32 + 16 * index, generator=generator),
            'target': torch.rand(3, 32, 32 + 16 * index, generator=generator),
            'restored': torch.rand(3, 32, 32 + 16 * index, generator=generator),
        }
        for index, label in enumerate(labels)
    ]


def test_mean_per_label_of_images_of_any_size():
    given = samples(['haze', 'rain', 'haze'])
    metric = RestorationMetric()
    metric.process({}, given[:2])
    metric.process({}, given[2:])
    results = metric.evaluate(size=3)
    assert list(results) == [
        f'{label}/{name}'
        for label in ('haze', 'rain')
        for name in ('input_psnr', 'input_ssim', 'psnr', 'ssim')
    ]
    expected = [
        score(given[i]['restored'][None], given[i]['target'][None])['psnr'].item() for i in (0, 2)
    ]
    assert results['haze/psnr'] == pytest.approx(sum(expected) / 2, abs=1e-12)
    before = score(given[1]['image'][None], given[1]['target'][None])['ssim'].item()
    assert results['rain/input_ssim'] == pytest.approx(before, abs=1e-12)


def test_starts_anew_after_evaluating():
    metric = RestorationMetric()
    metric.process({}, samples(['haze']))
    metric.evaluate(size=1)
    metric.process({}, samples(['rain']))
    assert {key.split('/')[0] for key in metric.evaluate(size=1)} == {'rain'}


def test_unknown_protocol_is_refused_at_once():
    with pytest.raises(ValueError, match="Did you mean 'cdd11'"):
        RestorationMetric(protocol='cdd1')


def test_several_protocols_in_one_evaluator():
    given = samples(['haze', 'rain'])
    evaluator = Evaluator([RestorationMetric('aio'), RestorationMetric('cdd11', qualify=True)])
    evaluator.process(given, {})
    results = evaluator.evaluate(2)
    restored, target = given[0]['restored'][None], given[0]['target'][None]
    for key, protocol in (('haze/ssim', 'aio'), ('haze/ssim@cdd11', 'cdd11')):
        assert results[key] == pytest.approx(score(restored, target, protocol)['ssim'].item())


def test_a_protocol_that_does_not_clip_gets_what_is_not_clipped():
    (sample,) = samples(['haze'])
    sample['unclipped'] = 3 * sample['restored'] - 1
    found = {}
    for protocol in ('m2restore_legacy', 'cdd11'):
        metric = RestorationMetric(protocol)
        metric.process({}, [sample])
        found[protocol] = metric.evaluate(size=1)['haze/psnr']
    target = sample['target'][None]
    expected = score(sample['unclipped'][None], target, 'm2restore_legacy')['psnr'].item()
    assert found['m2restore_legacy'] == pytest.approx(expected)
    expected = score(sample['restored'][None], target, 'cdd11')['psnr'].item()
    assert found['cdd11'] == pytest.approx(expected)


def test_what_images_are_cut_to_before_the_network():
    names = ('aio', 'aio_gauss', 'y601', 'm2restore_legacy')
    assert [RestorationMetric(name).input_multiple for name in names] == [16, 16, 1, 1]


def test_an_image_that_is_too_small_is_named():
    image = torch.rand(3, 5, 40)
    sample = {'image': image, 'restored': image, 'target': image, 'label': 'rain', 'name': 'tiny'}
    with pytest.raises(ValueError, match='Image tiny: SSIM needs images of at least 7x7'):
        RestorationMetric('cdd11').process(None, [sample])
