import subprocess
import sys

import pytest

from irbox.utils.files import (
    atomic_write,
    check_writable,
    remove_leftovers,
    rename,
    write_text,
)


def test_the_file_appears_when_all_is_written(tmp_path):
    path = tmp_path / 'file'
    with atomic_write(path) as file:
        file.write(b'new')
        assert not path.exists()
    assert path.read_bytes() == b'new'
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(b'old')
    with pytest.raises(RuntimeError), atomic_write(path) as file:
        file.write(b'half')
        raise RuntimeError
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(b'old')
    code = (
        'import os, signal\nfrom irbox.utils.files import atomic_write\n'
        f'with atomic_write({str(path)!r}) as file:\n'
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True)
    assert result.returncode == -9, result.stderr
    assert path.read_bytes() == b'old'
    assert len(list(tmp_path.iterdir())) == 2
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_text(tmp_path):
    with atomic_write(tmp_path / 'file', 'w') as file:
        file.write('ä')
    assert (tmp_path / 'file').read_bytes() == 'ä'.encode()


def test_writable_folders_are_not_created(tmp_path):
    check_writable(tmp_path)
    check_writable(tmp_path / 'new' / 'deep')
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_written_to(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(PermissionError, match=r'deep cannot be written to: it is a file \(.*file'):
        check_writable(tmp_path / 'file' / 'deep')
    with pytest.raises(PermissionError, match='cannot be written to'):
        check_writable('/proc/irbox')


def test_a_text_and_another_name(tmp_path):
    write_text(tmp_path / 'a', 'ä\n')
    (tmp_path / 'b').write_bytes(b'old')
    rename(tmp_path / 'a', tmp_path / 'b')
    assert (tmp_path / 'b').read_bytes() == 'ä\n'.encode()
    assert list(tmp_path.iterdir()) == [tmp_path / 'b']
