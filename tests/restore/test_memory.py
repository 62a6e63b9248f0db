import mmap
from types import SimpleNamespace

import pytest
import torch

from irbox.restore import memory
from irbox.restore.exported_network import ExportedNetwork
from irbox.restore.memory import (
    format_memory,
    free_memory,
    is_out_of_memory,
    parse_memory,
    used_memory,
)

CPU = torch.device('cpu')


@pytest.mark.parametrize(
    ('text', 'amount'),
    [('3G', 3 * 2**30), ('1.5 GiB', 3 * 2**29), ('800m', 800 * 2**20), ('5kB', 5120), (7, 7)],
)
def test_amounts(text, amount):
    assert parse_memory(text) == amount


@pytest.mark.parametrize('text', ['', 'much', '-3G', '0', '3X', None, True, '9' * 400])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match='no amount of memory'):
        parse_memory(text)


def test_amounts_for_people():
    assert format_memory(3.25 * 2**30) == '3.2 GiB'
    assert format_memory(800 * 2**20) == '800 MiB'


def test_used_memory_grows_with_what_is_held():
    before = used_memory(CPU)
    # Pages of its own: an allocator may hand out what it holds already.
    with mmap.mmap(-1, 2**27) as held:
        held[::4096] = bytes(2**15)
        assert used_memory(CPU) - before > 2**26


def test_a_container_has_less(monkeypatch, tmp_path):
    (tmp_path / 'max').write_text('1000000\n')
    (tmp_path / 'current').write_text('400000\n')
    files = [str(tmp_path / name) for name in ('max', 'current', 'stat')]
    monkeypatch.setattr(memory, 'CGROUPS', ((*files, 'inactive_file'),))
    assert free_memory(CPU) == 600000
    statistics = 'anon 9\ntotal_inactive_file 7\ninactive_file 300000\nactive_file 50000\n'
    (tmp_path / 'stat').write_text(statistics)
    assert free_memory(CPU) == 900000, 'files that were read can be dropped'
    (tmp_path / 'stat').write_text('inactive_file 500000\n')
    assert free_memory(CPU) == 1000000, 'the files are not read at the same moment'
    (tmp_path / 'max').write_text('max\n')
    assert free_memory(CPU) > 600000


def test_who_says_that_memory_is_short():
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError('CUDA out of memory.'))
    assert is_out_of_memory(
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
    )
    assert not is_out_of_memory(RuntimeError('shapes differ'))
    assert not is_out_of_memory(ValueError('out of memory'))


@pytest.mark.parametrize(
    ('said', 'short'), [('Failed to allocate memory for requested buffer', True), ('shape', False)]
)
def test_an_exported_network_says_it_in_words_that_tiles_understand(said, short):
    def fail(*_):
        raise Exception(said)  # ONNX Runtime's have no other kin

    network = ExportedNetwork.__new__(ExportedNetwork)
    torch.nn.Module.__init__(network)
    network.facts, network._session = SimpleNamespace(smallest=1), SimpleNamespace(run=fail)
    with pytest.raises(Exception, match=said) as raised:
        network(torch.rand(1, 3, 8, 8))
    assert is_out_of_memory(raised.value) == short
