import importlib.util
import re
import sys

import pytest

from support.paths import ROOT


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('describe_tool', ROOT / 'tools/describe.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tool, monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['describe.py', *map(str, arguments)])
        tool.main()
        return capsys.readouterr().out

    return run


@pytest.fixture
def small(tmp_path):
    path = tmp_path / 'small.yaml'
    path.write_text(
        f"""
_base_: {ROOT}/configs/_base_/models/unet.yaml
model: {{network: {{dim: 8, depths: [1, 1], heads: [1, 2], refinement: 1}}}}
"""
    )
    return path


def test_prints_the_table_and_both_conventions(run, small, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    out = run(small, '--size', '64x48')
    assert 'at 64x48' in out
    assert re.search(r'encoder 1: block +.*TransformerBlock +.*transformer_block.py', out)
    assert re.search(r'Parameters: [\d,]+ trainable, 0 frozen', out)
    assert re.search(r"papers' convention .*: 0\.\d G with every expert", out, re.DOTALL)
    assert 'Cost, exact (attention products and the selective scan too)' in out


def test_options_change_the_network(run, small):
    def count(*options):
        out = run(small, '--size', '16x16', *options)
        return int(re.search(r'Parameters: ([\d,]+)', out)[1].replace(',', ''))

    assert count('--cfg-options', 'model.network.dim=16') > 2 * count()


@pytest.mark.parametrize('text', ['720', '0x480', '720*480', 'x', '-1x5'])
def test_a_bad_size_is_refused(run, small, text, capsys):
    with pytest.raises(SystemExit) as stop:
        run(small, f'--size={text}')
    assert stop.value.code == 2
    assert 'write WIDTHxHEIGHT, such as 720x480' in capsys.readouterr().err


def test_a_pretrained_prior_is_counted_both_ways(run, tmp_path):
    config = tmp_path / 'config.yaml'
    config.write_text(
        f"""
_base_: {ROOT}/configs/_base_/models/unet.yaml
model:
  network:
    {{dim: 8, depths: [1, 1], heads: [1, 2], refinement: 1,
     prior: {{type: DACLIPPrior, preset: m2restore_paper}}}}
"""
    )
    out = run(config, '--size', '16x16')
    assert 'The prior keeps 87,849,216 of the 246,213,634 parameters' in out
