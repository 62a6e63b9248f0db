import datetime
import logging
import os

import pytest
import torch
from mmengine.fileio import get_file_backend, put
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import _load_checkpoint

from irbox.engine import compat
from irbox.utils.console import ConsoleHandler, quieten


def test_init_can_be_repeated():
    compat.init()
    compat.init()
    assert DefaultScope.get_current_instance().scope_name == 'irbox'


def test_mmengine_reads_checkpoints_safely(tmp_path):
    compat.init()

    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'ran'),)

    torch.save({'state_dict': {}, 'x': Malicious()}, tmp_path / 'evil.pth')
    with pytest.raises(ValueError, match='is refused'):
        _load_checkpoint(str(tmp_path / 'evil.pth'))
    assert not (tmp_path / 'ran').exists()


def test_mmengine_writes_whole_files(tmp_path, monkeypatch):
    compat.init()
    path = tmp_path / 'new' / 'file'
    put(b'first', path)
    assert type(get_file_backend(path)) is compat.AtomicLocalBackend

    def full(descriptor):
        raise OSError('disk full')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='disk full'):
        put(b'second', path)
    assert path.read_bytes() == b'first'
    assert [file.name for file in path.parent.iterdir()] == ['file']


def test_launcher_without_torchrun(monkeypatch):
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match='WORLD_SIZE.*torchrun --nproc_per_node'):
        compat.set_up_processes('pytorch')
    compat.set_up_processes('none')
    compat.leave_processes()


@pytest.mark.parametrize(('timeout', 'told'), [(None, None), (90, datetime.timedelta(seconds=90))])
def test_a_process_waits_as_long_as_it_is_told(monkeypatch, timeout, told):
    found = {}
    monkeypatch.setattr(
        torch.distributed, 'init_process_group', lambda backend, **given: found.update(given)
    )
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MKL_NUM_THREADS'):
        monkeypatch.setenv(name, '1')
    compat.set_up_processes('pytorch', timeout)
    assert found == {'timeout': told}


def test_a_quiet_logger_shows_warnings_only(capsys, tmp_path):
    logger = logging.Logger('test')
    logger.addHandler(logging.StreamHandler())
    logger.addHandler(logging.FileHandler(tmp_path / 'log'))
    quieten(logger)
    quieten(logger)
    logger.info('many lines')
    logger.info('Hooks will be executed in the following order: ...')
    logger.warning('"FileClient" will be deprecated in future.')
    logger.warning('real')
    assert capsys.readouterr().err == 'WARNING: real\n'
    assert (tmp_path / 'log').read_text() == 'many lines\nreal\n'
    assert sum(isinstance(handler, ConsoleHandler) for handler in logger.handlers) == 1
