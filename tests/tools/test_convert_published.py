"""Released weights of plug-ins' systems, from the command line's side."""

import runpy
import sys

import pytest
import torch

import irbox
from irbox.engine.checkpoint import read_checkpoint
from support.paths import ROOT

TOOL = ROOT / 'tools' / 'convert_checkpoint.py'
CONFIG = ROOT / 'configs/plugins/adair.yaml'


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
    runpy.run_path(str(TOOL), run_name='__main__')


def test_published(tmp_path, monkeypatch, capsys):
    """A narrow AdaIR with its public code's keys."""
    narrow = tmp_path / 'narrow.yaml'
    narrow.write_text(f'_base_: {CONFIG}\nmodel: {{network: {{dim: 8}}}}\n')
    with torch.device('meta'):
        network = irbox.build_network(narrow)
    plugin = next(
        m
        for m in sys.modules.values()
        if getattr(m, '__file__', None) == str(ROOT / 'plugins/adair.py')
    )
    names = {plugin._name(key): tensor.shape for key, tensor in network.state_dict().items()}
    state = {f'net.{name}': torch.randn(shape) for name, shape in names.items()}
    state |= {'net.fre1.conv.weight': torch.randn(64, 3, 3, 3)}
    torch.save({'state_dict': state, 'epoch': 3}, tmp_path / 'released.ckpt')
    run(monkeypatch, 'published', narrow, tmp_path / 'released.ckpt', tmp_path / 'out.pth')
    printed = ' '.join(capsys.readouterr().out.split())
    assert f'{len(names)} tensors' in printed and 'Left out: 1 that' in printed
    own = read_checkpoint(tmp_path / 'out.pth')['state_dict']
    assert own.keys() == {f'network.{key}' for key in network.state_dict()}
    assert torch.equal(
        own['network.before_upsamples.2.0.attend_high.q.weight'],
        state['net.fre3.channel_cross_l.q.weight'],
    )


def test_a_config_without_a_plugin_that_knows_is_refused(tmp_path, monkeypatch, capsys):
    torch.save({'a': torch.zeros(1)}, tmp_path / 'released.pth')
    config = ROOT / 'configs/restormer_demo.py'
    with pytest.raises(SystemExit):
        run(monkeypatch, 'published', config, tmp_path / 'released.pth', tmp_path / 'out.pth')
    assert 'none of its plug-ins does' in ' '.join(capsys.readouterr().err.split())
