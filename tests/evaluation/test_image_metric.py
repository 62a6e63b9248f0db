import pytest
import torch
from mmengine.evaluator import Evaluator

from irbox.evaluation import ImageMetric, ScoreInfo
from irbox.evaluation.score_info import SIMILARITY


class MeanDistance(ImageMetric):
    scores = {'mean_error': ScoreInfo(digits=3, higher_is_better=False)}

    def score(self, restored, target):
        return {'mean_error': (restored - target).abs().mean((1, 2, 3))}


def sample(label, error, before=0.5, size=8):
    target = torch.zeros(3, size, size)
    return {
        'image': target + before,
        'target': target,
        'restored': (target + error).clamp(0, 1),
        'unclipped': target + error,
        'label': label,
        'name': f'{label}_{error}',
    }


def test_means_per_label_in_the_order_of_the_labels():
    metric = MeanDistance()
    metric.process({}, [sample('rain', 0.25), sample('haze', 0.5, size=5)])
    metric.process({}, [sample('rain', 0.75)])
    found = metric.evaluate(3)
    assert list(found.items()) == [('rain/mean_error', 0.5), ('haze/mean_error', 0.5)]


def test_what_is_judged():
    class Unclipped(MeanDistance):
        clip = False
        judges_input = True

    for metric, wanted in (
        (MeanDistance(), {'rain/mean_error': 1.0}),
        (Unclipped(), {'rain/input_mean_error': 0.5, 'rain/mean_error': 2.0}),
    ):
        metric.process({}, [sample('rain', 2.0)])
        assert metric.evaluate(1) == wanted
    metric = Unclipped()
    plain = sample('rain', 2.0)
    del plain['unclipped']
    metric.process({}, [plain])
    assert metric.evaluate(1)['rain/mean_error'] == 1.0


def test_a_set_may_be_summed_up_in_another_way():
    class Spread(MeanDistance):
        scores = {'spread': ScoreInfo()}

        def score(self, restored, target):
            return {'pixels': (restored - target).flatten(1)}

        def aggregate(self, values):
            (count, _) = values['pixels'].shape
            return {'spread': values['pixels'].std().item(), 'images': count}

    metric = Spread()
    metric.process({}, [sample('rain', 0.25), sample('rain', 0.75)])
    assert metric.evaluate(2) == {'rain/spread': pytest.approx(0.2507, abs=1e-3), 'rain/images': 2}


def test_errors_name_the_image_and_the_metric():
    class Picky(MeanDistance):
        def score(self, restored, target):
            raise ValueError('too small.')

    with pytest.raises(ValueError, match=r'^Image rain_0.5: too small.$'):
        Picky().process({}, [sample('rain', 0.5)])

    class Scalar(MeanDistance):
        def score(self, restored, target):
            return {'mean_error': (restored - target).abs().mean()}

    with pytest.raises(TypeError, match=r"Scalar.score gives \(\) as 'mean_error' of one image"):
        Scalar().process({}, [sample('rain', 0.5)])


def test_beside_others_in_an_evaluator(capsys):
    evaluator = Evaluator([MeanDistance()])
    evaluator.process([sample('rain', 0.5)], {})
    assert evaluator.evaluate(1) == {'rain/mean_error': 0.5}
    assert 'prefix' not in capsys.readouterr().err


def test_headings():
    assert SIMILARITY['psnr'].heading('psnr') == 'PSNR (dB)'
    assert ScoreInfo(title='N of FID').heading('fid_images') == 'N of FID'
    assert ScoreInfo().heading('mean_error') == 'MEAN_ERROR'
