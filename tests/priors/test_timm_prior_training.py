import runpy
from pathlib import Path

import pytest
import torch

from irbox.config.command_line import run_tool
from irbox.engine.checkpoint import read_checkpoint
from support.paths import ROOT

CONFIG = f"""
_base_: {ROOT}/configs/m2restore_timm_demo.py
model: {{network: {{dim: 8, depths: [1, 1, 1, 1], prior: {{backbone: test_resnet}}}}}}
train_cfg: {{max_iters: 2, val_interval: 2}}
param_scheduler: []
train_dataloader: {{batch_size: 2, num_workers: 0, dataset: {{patch_size: 16}}}}
val_dataloader: {{dataset: {{size: 16, crops: 1}}}}
"""


def tool(name, *arguments):
    main = runpy.run_path(str(ROOT / f'tools/{name}.py'))['main']
    try:
        run_tool(lambda: main([str(argument) for argument in arguments]))
    except SystemExit as leaving:
        return leaving.code
    return 0


@pytest.mark.slow
def test_a_prior_is_learned_then_frozen(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path('learned.yaml').write_text(CONFIG)
    assert tool('train', 'learned.yaml') == 0
    learned = read_checkpoint('work_dirs/learned/final.pth')
    assert learned['meta']['frozen'] == {}

    prior = '{weights: work_dirs/learned/final.pth, frozen: all}'
    Path('frozen.yaml').write_text(
        f'_base_: learned.yaml\nmodel: {{losses: {{label: null}}, network: {{prior: {prior}}}}}\n'
    )
    assert tool('train', 'frozen.yaml') == 0
    frozen = read_checkpoint('work_dirs/frozen/final.pth')
    assert not any(key.startswith('network.prior.') for key in frozen['state_dict'])
    records = frozen['meta']['frozen']
    assert {record['file'] for record in records.values()} == {'final.pth'}
    assert tool('test', 'frozen.yaml', 'work_dirs/frozen/final.pth') == 0

    # Other weights in the file of that name.
    for key, value in learned['state_dict'].items():
        if key == 'network.prior.classify.bias':
            value += 1
    torch.save(learned, 'work_dirs/learned/final.pth')
    capsys.readouterr()
    assert tool('test', 'frozen.yaml', 'work_dirs/frozen/final.pth') == 2
    assert 'it was made with another prior. sha256: ' in capsys.readouterr().err
