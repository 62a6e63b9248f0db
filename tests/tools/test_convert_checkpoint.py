"""The conversion tool, from the command line's side."""

import runpy
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

import irbox
from irbox.conversion.convert import convert
from irbox.engine.checkpoint import read_checkpoint
from support.daclip_files import write_daclip_file
from support.m2restore_file import TINY, tiny_network, write_m2restore_file
from support.paths import ROOT

TOOL = ROOT / 'tools' / 'convert_checkpoint.py'
OFFICIAL = ROOT / 'configs/_base_/models/m2restore_official.yaml'


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
    runpy.run_path(str(TOOL), run_name='__main__')


def test_daclip(tmp_path, monkeypatch, capsys):
    model = write_daclip_file(tmp_path / 'released.pt', 'training')
    run(monkeypatch, 'daclip', tmp_path / 'released.pt', tmp_path / 'out.safetensors')
    assert load_file(tmp_path / 'out.safetensors').keys() == model.state_dict().keys()
    assert '125 tensors' in capsys.readouterr().out


def test_m2restore(tmp_path, monkeypatch, capsys):
    """The released sizes: 187 MB each."""
    released = write_m2restore_file(tmp_path / 'model.ckpt')
    run(monkeypatch, 'm2restore', tmp_path / 'model.ckpt', tmp_path / 'out.pth')
    printed = capsys.readouterr().out
    assert '845 tensors, 46,830,041 parameters' in printed
    assert 'Left out: 4 of DA-CLIP' in printed
    state = read_checkpoint(tmp_path / 'out.pth')['state_dict']
    assert sum(tensor.numel() for tensor in state.values()) == 46_830_041
    with torch.device('meta'):
        network = irbox.build_network(OFFICIAL)
    own = {key.removeprefix('network.'): tensor for key, tensor in state.items()}
    network.load_state_dict(own, strict=True, assign=True)
    for name, index in (('w_g', 'score'), ('w_n', 'noise')):
        weight = getattr(network.before_levels[2][0].router, index).weight
        assert torch.equal(weight, released[f'mcdb3.model.{name}'].T)
    assert torch.equal(
        network.bottleneck[7].ffn.dwconv.weight, released['latent.7.ffn.dwconv.weight']
    )
    for file in tmp_path.iterdir():  # pytest keeps its folders for a while
        file.unlink()


def test_a_converted_m2restore_is_scored_by_the_test_tool(tmp_path, monkeypatch, capsys):
    config = tmp_path / 'm2restore_tiny.yaml'
    pairs = {'type': 'TinyPairs', 'labels': ['dark'], 'length': 1, 'size': 20}
    config.write_text(
        yaml.safe_dump(
            {
                '_base_': str(OFFICIAL),
                'plugins': [str(ROOT / 'tests/support/tiny_parts.py')],
                'model': {'network': tiny_network()},
                'val_dataloader': {'dataset': pairs},
                'val_evaluator': {'type': 'RestorationMetric', 'protocol': 'aio'},
            }
        )
    )
    write_m2restore_file(tmp_path / 'model.ckpt', TINY)
    convert(config, tmp_path / 'model.ckpt', tmp_path / 'out.safetensors', system='m2restore')
    monkeypatch.chdir(tmp_path)
    main = runpy.run_path(str(ROOT / 'tools/test.py'))['main']
    main([str(config), str(tmp_path / 'out.safetensors')])
    assert 'dark' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['daclip', 'none.pt', 'out.safetensors'], 'none.pt does not exist'),
        (['daclip', 'page.pt', 'out.safetensors'], 'page.pt is damaged or no file of weights'),
        (['daclip', 'page.pt'], 'OUT'),
        (['m2restore', 'none.ckpt', 'out.pth'], 'none.ckpt does not exist'),
        (['m2restore', 'page.pt', 'out.pth'], 'page.pt is damaged or no file of weights'),
        (['m2restore', 'page.pt', 'out.ckpt'], 'must be named .pth or .safetensors'),
        (['m2restore', 'page.pt', 'page.pt'], 'must be named .pth or .safetensors'),
        (['dacilp', 'page.pt', 'out.safetensors'], 'invalid choice'),
    ],
)
def test_mistakes_give_one_message_and_exit_code_2(
    tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    Path('page.pt').write_text('<html>')
    with pytest.raises(SystemExit) as error:
        run(monkeypatch, *arguments)
    assert error.value.code == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert 'Traceback' not in printed
    assert [path.name for path in tmp_path.iterdir()] == ['page.pt']
