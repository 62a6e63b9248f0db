import os
import signal
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from irbox.commands.main import main
from irbox.pictures import read_picture
from irbox.restore.batch.reading_process import ReadingProcess
from support.broken_decoder import break_decoder, save_what_aborts
from support.tiny_model import photograph, tiny_model


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Three pictures, of which the second ends whoever decodes it in a new process."""
    monkeypatch.chdir(tmp_path)
    break_decoder(tmp_path / 'code', monkeypatch)
    Path('in').mkdir()
    for name in 'ac':
        photograph().save(f'in/{name}.png')
    save_what_aborts('in/b.png')
    return tmp_path


def test_a_file_that_ends_the_decoder_is_one_file(pictures):
    with closing(ReadingProcess()) as reader:
        with pytest.raises(ValueError, match=r'in/b\.png ends the process'):
            reader.read(Path('in/b.png'), 'keep')
        found = reader.read(Path('in/a.png'), 'keep')
        here = read_picture(Path('in/a.png'))
        np.testing.assert_array_equal(found.pixels, here.pixels)
        assert (found.format, found.digest) == (here.format, here.digest)
        # Errors come through as they are.
        with pytest.raises(FileNotFoundError, match='none'):
            reader.read(Path('in/none.png'), 'keep')


def test_the_command_finishes_the_rest(pictures, capsys):
    tiny_model().save('model')
    assert main(['restore', 'in', '--out', 'out', '--model', 'model']) == 1
    said = capsys.readouterr().err
    assert 'Restored 2 of 3' in said and 'in/b.png ends the process' in said
    assert sorted(os.listdir('out')) == ['a.png', 'c.png']


def test_it_ends_with_who_started_it(pictures):
    """Also where that one is killed."""
    child = os.fork()
    if child == 0:
        reader = ReadingProcess()
        reader.read(Path('in/a.png'), 'keep')
        (process,) = reader._pool._processes
        Path('number').write_text(str(process))
        time.sleep(60)
        os._exit(0)
    end = time.monotonic() + 60
    while not Path('number').exists() or not Path('number').read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
    process = int(Path('number').read_text())
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while _is_there(process):
        assert time.monotonic() < end
        time.sleep(0.05)


def _is_there(process):
    try:
        status = Path(f'/proc/{process}/stat').read_text()
    except OSError:
        return False
    return status.rpartition(') ')[2][0] != 'Z'
