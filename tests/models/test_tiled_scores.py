import pytest
import torch

from irbox.engine.loops.multi_loop import MultiLoop
from irbox.evaluation import RestorationMetric, score
from irbox.evaluation.protocols import PROTOCOLS, find_protocol
from irbox.models import Restorer
from irbox.networks.restore_tiled import restore_tiled
from support.tiny_model import CONFIG


@pytest.fixture
def model():
    torch.manual_seed(0)
    built = Restorer(CONFIG['model']['network'], {'pixel': {'type': 'L1Loss'}}).eval()
    with torch.no_grad():
        built.network.output.weight.mul_(0.05)
    return built


def test_every_protocol_has_tiles():
    for name in PROTOCOLS:
        assert find_protocol(f'{name}+tile96').tile == 96
        assert find_protocol(name).tile is None
    for wrong in ('aio+tile0', 'aio+tile', 'nope+tile32', 'aio+tile32+tile8x'):
        with pytest.raises(ValueError, match='No protocol is called'):
            find_protocol(wrong)


def test_the_model_predicts_in_tiles(model):
    image = torch.rand(2, 3, 40, 72)
    with torch.no_grad():
        whole = model(image, mode='predict')
        tiled = model(image, mode='predict', tile=32)
        expected = restore_tiled(model.network, image, tile=32, overlap=8)
    assert torch.equal(torch.stack([one['unclipped'] for one in tiled]), expected)
    assert not torch.equal(tiled[0]['restored'], whole[0]['restored'])


def test_the_loop_runs_whole_and_tiled_side_by_side(model):
    """Each metric judges what its protocol asks for, under names of its own."""
    image, target = torch.rand(1, 3, 48, 64), torch.rand(1, 3, 48, 64)
    batch = {'image': image, 'target': target, 'label': ['rain'], 'name': ['a']}
    loader = torch.utils.data.DataLoader([0], collate_fn=lambda _: batch)
    metrics = [
        RestorationMetric('aio'),
        RestorationMetric('aio+tile32', qualify=True),
    ]

    class Runner:
        seed = 0
        model = None

        def call_hook(self, *_, **__):
            pass

        def build_evaluator(self, evaluator):
            from mmengine.evaluator import Evaluator

            return Evaluator(evaluator)

    class Loop(MultiLoop):
        mode = 'test'

    runner = Runner()
    runner.model = model
    found = Loop(runner, loader, metrics).run()
    with torch.no_grad():
        for suffix, tile in (('', None), ('@aio+tile32', 32)):
            restored = model(image, mode='predict', tile=tile)[0]['restored'][None]
            expected = score(restored, target, 'aio')['psnr'].item()
            assert found[f'rain/psnr{suffix}'] == pytest.approx(expected, abs=1e-4)
    assert found['rain/psnr'] != found['rain/psnr@aio+tile32']
