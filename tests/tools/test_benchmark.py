"""The command: what it prints and writes, and what it refuses."""

import json

import pytest
import yaml

from irbox.benchmark.process import NotRunError
from irbox.commands import tool
from support.small_model import small_config

main = tool('benchmark')


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'small.yaml'
    path.write_text(yaml.safe_dump(small_config()))
    return str(path)


def test_launches(config, tmp_path, capsys):
    written = tmp_path / 'launches.json'
    main([config, '--launches', '--size', '32x16', '--json', str(written)])
    shown = capsys.readouterr().out
    assert 'launches' in shown and 'textbook' in shown and '32x16' in shown
    content = json.loads(written.read_text())
    assert content['about'] in shown.replace('\n', ' ')
    counts = {name: sum(one['by_name'].values()) for name, one in content['results'][0].items()}
    assert set(counts) == {'ours', 'textbook'}
    assert 50 < counts['ours'] < counts['textbook']


def test_launches_of_a_step(config, tmp_path, capsys):
    written = tmp_path / 'launches.json'
    options = ['--size', '32x16', '--task', 'forward', 'train', '--json', str(written)]
    main([config, '--launches', *options])
    shown = capsys.readouterr().out
    assert 'launches of one forward pass' in shown and 'launches of both passes' in shown
    one, both = (found['ours']['by_name'] for found in json.loads(written.read_text())['results'])
    assert both['norm_gradient'] == 8 and not one.get('norm_gradient')
    assert sum(both.values()) > 2 * sum(one.values())


def test_profile(config, capsys):
    main([config, '--profile', '--size', '16x16', '--rounds', '1'])
    shown = capsys.readouterr().out
    assert 'encoder 1: before_level' in shown
    assert 'depthwise convolutions' in shown


def test_two_questions_at_once(config):
    with pytest.raises(ValueError, match='give one of them'):
        main([config, '--launches', '--profile'])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--launches', '--plot', 'a.png'], 'and --launches prints none'),
        (['--profile', '--plot', 'a.png'], 'and --profile prints none'),
        (['--profile', '--task', 'forward', 'train'], 'is of forward passes'),
    ],
)
def test_options_that_would_do_nothing(config, options, message):
    with pytest.raises(ValueError, match=message):
        main([config, *options])


def test_a_setting_that_fails_leaves_those_before_it(config, tmp_path, monkeypatch):
    written = tmp_path / 'launches.json'

    def launches(setting, *others):
        if setting.width == 32:
            raise NotRunError('the process ended')
        return {'width': setting.width}

    monkeypatch.setattr('irbox.benchmark.run._launches', launches)
    with pytest.raises(NotRunError):
        main([config, '--launches', '--size', '16x16', '32x16', '--json', str(written)])
    assert json.loads(written.read_text())['results'] == [{'width': 16}]


def test_a_device_that_is_not_here(config):
    with pytest.raises(ValueError, match='is not here|is unknown'):
        main([config, '--device', 'meta'])


@pytest.mark.slow
def test_times(config, tmp_path, capsys):
    picture, written = tmp_path / 'times.png', tmp_path / 'times.json'
    options = ['--size', '16x16', '--rounds', '1', '--plot', str(picture), '--json', str(written)]
    main([config, '--textbook', *options])
    assert 'not run' not in capsys.readouterr().out
    rows = json.loads(written.read_text())['results'][0]['rows']
    assert [row['variant'] for row in rows] == ['ours', 'textbook']
    assert rows[1]['difference'] < 1e-4
    assert picture.stat().st_size > 1000
