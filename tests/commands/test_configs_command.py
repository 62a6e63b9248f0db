from pathlib import Path

import pytest

from irbox.commands.main import main
from irbox.config.load_config import load_config
from irbox.config.shipped_configs import find_config, shipped_configs
from support.paths import CONFIGS


def test_every_entry_config_has_a_name():
    names = shipped_configs()
    expected = {path.stem for path in CONFIGS.glob('*.py')}
    assert expected <= set(names)
    assert {'plugins/promptir', 'ablations/m2ir/no_dacp'} <= set(names)
    assert not [name for name in names if '_base_' in name]


def test_a_name_a_path_and_a_path_of_a_checkout_find_the_same(tmp_path, monkeypatch):
    expected = CONFIGS / 'm2restore_demo.py'
    monkeypatch.chdir(tmp_path)  # no checkout here
    for config in ('m2restore_demo', 'm2restore_demo.py', 'configs/m2restore_demo.py', expected):
        assert find_config(config) == expected
    Path('m2restore_demo').write_text('a file of this name wins')
    assert find_config('m2restore_demo') == Path('m2restore_demo')


def test_a_name_that_nothing_has():
    with pytest.raises(ValueError, match="Did you mean 'm2ir_demo'"):
        find_config('m2ir_demoo')
    assert find_config('elsewhere/mine.py') == Path('elsewhere/mine.py')


def test_listing(capsys):
    main(['configs'])
    everything = capsys.readouterr().out
    assert 'm2ir_demo ' in everything and 'minutes on two CPU cores' in everything
    main(['configs', 'list', 'promptir'])
    some = capsys.readouterr().out.splitlines()
    assert 0 < len(some) < 5 and all('promptir' in line for line in some)
    with pytest.raises(ValueError, match="has 'zzz' in its name"):
        main(['configs', 'list', 'zzz'])


def test_a_sweep_is_no_config_to_copy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r'is a sweep.*: irbox sweep .*table_vii\.yaml'):
        main(['configs', 'copy', 'ablations/m2ir/table_vii'])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('ending', ['py', 'yaml'])
def test_a_copy_is_the_same_config(tmp_path, monkeypatch, ending):
    monkeypatch.chdir(tmp_path)
    target = f'new/folder/mine.{ending}'
    main(['configs', 'copy', 'restormer_demo', target])
    ours, copied = load_config(CONFIGS / 'restormer_demo.py'), load_config(target)
    assert copied.to_dict() == ours.to_dict()
    with pytest.raises(FileExistsError, match='mine'):
        main(['configs', 'copy', 'restormer_demo', target])
    with pytest.raises(ValueError, match=r'ends in \.py or \.yaml'):
        main(['configs', 'copy', 'restormer_demo', 'mine.txt'])
