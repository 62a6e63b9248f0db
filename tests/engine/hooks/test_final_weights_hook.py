import logging
from types import SimpleNamespace

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.model import BaseModel

from irbox import __version__
from irbox.engine.averaged_model import AveragedModel
from irbox.engine.hooks import EMAHook
from irbox.engine.hooks.final_weights_hook import FinalWeightsHook
from irbox.engine.test import read_test_config
from support.paths import TINY


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x)


@pytest.mark.parametrize('averaged', [False, True])
def test_the_weights_to_use_and_what_made_them(tmp_path, averaged):
    model, hooks = Model(), []
    wanted = model.layer.weight.clone()
    if averaged:
        hooks = [EMAHook()]
        hooks[0].ema_model = AveragedModel(model, momentum=0.5, warm_up=0)
        with torch.no_grad():
            model.layer.weight.zero_()
    runner = SimpleNamespace(
        model=model,
        hooks=hooks,
        cfg=Config({'model': {'type': 'Restorer'}}),
        iter=12,
        seed=3,
        identity='its run',
        work_dir=tmp_path,
        logger=logging.getLogger('irbox.test'),
    )
    FinalWeightsHook('last.pth').after_train(runner)
    content = torch.load(tmp_path / 'last.pth', weights_only=True)
    assert set(content) == {'meta', 'state_dict'}
    assert content['state_dict']['layer.weight'].equal(wanted)
    meta = content['meta']
    assert (meta['iter'], meta['seed'], meta['run']) == (12, 3, 'its run')
    assert meta['irbox_version'] == __version__
    assert yaml.safe_load(meta['cfg'])['model'] == {'type': 'Restorer'}
    assert [path.name for path in tmp_path.iterdir()] == ['last.pth']


def test_options_of_a_test_stand_for_the_validations_where_it_has_none_of_its_own(tmp_path):
    options = {'test_dataloader.dark.batch_size': 3, 'randomness.seed': 4}
    config = read_test_config(TINY, options)
    assert config.val_dataloader.dark.batch_size == 3 and config.get('test_dataloader') is None
    own = tmp_path / 'own.yaml'
    own.write_text(
        f'_base_: {TINY}\n'
        'test_dataloader: {dark: {dataset: {type: TinyPairs}}}\n'
        'test_evaluator: {type: RestorationMetric}\n'
    )
    config = read_test_config(own, options)
    assert config.test_dataloader.dark.batch_size == 3
    assert 'batch_size' not in config.val_dataloader.dark
