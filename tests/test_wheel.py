"""A wheel stands alone: installed in an environment of its own, used outside any checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.environments import own_environment
from support.paths import ROOT
from support.tiny_model import photograph, tiny_model

LARGEST = 2_000_000
"""Bytes of a wheel without weights, compressed."""
LARGEST_MODEL = 6_000_000
"""Bytes of a shipped model's weights."""


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """A wheel of the files that git knows or would take, without what builds leave behind."""
    place = tmp_path_factory.mktemp('wheel')
    listed = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
    names = subprocess.check_output(listed, cwd=ROOT, text=True).split('\0')
    for name in filter(None, names):
        if (ROOT / name).is_file():
            target = place / 'source' / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation', '-q']
    subprocess.run([*pip, '-w', str(place), str(place / 'source')], check=True)
    return next(place.glob('irbox-*.whl'))


@pytest.fixture(scope='module')
def run(wheel, tmp_path_factory):
    """Runs a program of an environment that has the wheel, in a folder that is no checkout."""
    place = tmp_path_factory.mktemp('elsewhere')
    # The dependencies are those of these tests; irbox itself is the wheel's.
    python = own_environment(place / 'env')
    install = ['install', '-q', '--no-deps', '--no-index', '--ignore-installed', str(wheel)]
    pip = [sys.executable, '-m', 'pip', '--python', str(python)]
    subprocess.run([*pip, *install], check=True)
    environment = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}

    def run(*arguments, program='irbox', code=0):
        done = subprocess.run(
            [place / 'env/bin' / program, *map(str, arguments)],
            cwd=place, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    run.place = place
    return run


@pytest.mark.slow
def test_what_is_in_it(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {name.removeprefix('irbox/shipped/') for name in names if '/shipped/' in name}
    for folder in ('configs', 'plugins'):
        expected = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / folder).rglob('*')
            if path.is_file() and '__pycache__' not in path.parts
        }
        assert expected == {name for name in shipped if name.startswith(f'{folder}/')}
    assert 'irbox/py.typed' in names or not (ROOT / 'irbox/py.typed').exists()
    assert {'irbox/datasets/sets/rain100l.yaml', 'irbox/evaluation/published/m2ir_1.yaml'} <= set(
        names
    )
    strangers = [name for name in names if not name.startswith(('irbox/', 'irbox-'))]
    assert not strangers
    assert not [name for name in names if name.endswith('.pyc')]
    files = zipfile.ZipFile(wheel).infolist()
    weights = [file for file in files if file.filename.endswith('.safetensors')]
    assert [file.filename for file in weights] == ['irbox/weights/small/model.safetensors']
    assert all(file.file_size < LARGEST_MODEL for file in weights)
    assert sum(file.compress_size for file in files if file not in weights) < LARGEST


@pytest.mark.slow
def test_it_is_used_outside_any_checkout(run):
    where = run('-c', 'import irbox; print(irbox.__file__)', program='python')
    assert Path(where.strip()).is_relative_to(run.place)
    assert 'm2restore_demo' in run('configs')
    assert 'PromptBlock' in run('describe', 'plugins/promptir_demo')  # a plug-in, too
    assert 'Dry run: nothing was written.' in run('train', 'm2restore_demo', '--dry-run')
    assert "no config that comes with irbox has this name. Did you mean 'm2ir_demo'" in run(
        'train', 'm2ir_demoo', code=2
    )


@pytest.mark.slow
def test_it_restores(run):
    tiny_model().save(run.place / 'model')
    photograph().save(run.place / 'a.png')
    assert 'Restored 1 of 1' in run('restore', 'a.png', '--model', 'model')
    assert (run.place / 'a_restored.png').is_file()
    assert 'to the bit' in run('verify', 'a.png', 'a_restored.png', '--model', 'model')


@pytest.mark.slow
def test_the_shipped_model_restores(run):
    photograph().save(run.place / 'b.png')
    assert 'Restored 1 of 1' in run('restore', 'b.png')
    assert 'to the bit' in run('verify', 'b.png', 'b_restored.png')
