import shutil
import subprocess

import pytest

from support.paths import ROOT

GIT = shutil.which('git')


@pytest.fixture(scope='module')
def repository(tmp_path_factory):
    """An empty one that ignores what ours does."""
    folder = tmp_path_factory.mktemp('repository')
    subprocess.run([GIT, 'init', '-q', str(folder)], check=True)
    shutil.copy(ROOT / '.gitignore', folder)
    return folder


def ignored(repository, name):
    return subprocess.run([GIT, '-C', str(repository), 'check-ignore', '-q', name]).returncode == 0


@pytest.mark.skipif(GIT is None, reason='needs git')
@pytest.mark.parametrize('name', ['data', 'weights', 'work_dirs', '.venv'])
@pytest.mark.parametrize('kind', ['folder', 'link'])
def test_what_belongs_to_a_machine_is_ignored(repository, tmp_path, name, kind):
    place = repository / name
    if kind == 'link':
        place.symlink_to(tmp_path)
    else:
        place.mkdir()
        (place / 'file').touch()
    try:
        assert ignored(repository, name)
    finally:
        place.unlink() if kind == 'link' else shutil.rmtree(place)


@pytest.mark.skipif(GIT is None, reason='needs git')
@pytest.mark.parametrize(
    'name', ['irbox/data_check/x.py', 'docs/data.md', 'irbox/utils/weights.py']
)
def test_what_is_ours_is_not(repository, name):
    assert not ignored(repository, name)
