"""A network in ONNX that is kept: exported once, read whole or not at all."""

import pytest

from irbox.restore.memory_need import MemoryNeed
from irbox.restore.runtimes import kept_graph
from irbox.restore.runtimes.kept_graph import KeptGraph, keep_graph, kept_path
from support.tiny_model import tiny_model

GRAPH = KeptGraph(b'graph\nof two lines', 9, MemoryNeed(1000.5, 20.25), True)


@pytest.fixture
def exports(monkeypatch, tmp_path):
    """Count how often a network is exported."""
    pytest.importorskip('onnx')
    pytest.importorskip('onnxscript')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    done = []

    def export(model):
        done.append(model.name)
        return GRAPH

    monkeypatch.setattr(kept_graph, '_export', export)
    return done


def keep(model, **options):
    said = []
    return (*keep_graph(model, said.append, **options), said)


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / 'folder' / 'a.graph'
    GRAPH.write(path)
    assert KeptGraph.read(path) == GRAPH
    assert [one.name for one in path.parent.iterdir()] == ['a.graph']
    assert KeptGraph.read(tmp_path / 'none.graph') is None


def test_what_cannot_be_kept_is_used_all_the_same(exports, monkeypatch, tmp_path):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    graph, kept, said = keep(tiny_model())
    assert graph == GRAPH and not kept and 'the next start exports it again' in said[1]


def test_a_network_is_exported_once(exports):
    graph, kept, said = keep(tiny_model())
    assert graph == GRAPH and not kept and 'may take minutes' in said[0]
    graph, kept, said = keep(tiny_model())
    assert graph == GRAPH and kept and not said
    assert exports == ['tiny']
    assert not keep(tiny_model(), anew=True)[1] and exports == ['tiny', 'tiny']


def test_other_weights_and_other_configs_are_other_networks(exports):
    model, other, scaled = tiny_model(), tiny_model(seed=1), tiny_model()
    scaled.config = {'model': {'network': {**model.config['model']['network'], 'dim': 5}}}
    paths = {kept_path(one, '.graph') for one in (model, other, scaled)}
    assert len(paths) == 3 and kept_path(tiny_model(), '.graph') in paths


def spoil(content, how):
    if how == 'cut short':
        return content[:-1]
    if how == 'a bit':
        return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]
    return {'empty': b'', 'no header': GRAPH.content, 'list': b'[]\nx', 'lacking': b'{}\nx'}[how]


@pytest.mark.parametrize('how', ['cut short', 'a bit', 'empty', 'no header', 'list', 'lacking'])
def test_a_damaged_file_is_made_anew(exports, how):
    keep(tiny_model())
    path = kept_path(tiny_model(), '.graph')
    whole = path.read_bytes()
    path.write_bytes(spoil(whole, how))
    assert KeptGraph.read(path) is None
    graph, kept, _ = keep(tiny_model())
    assert graph == GRAPH and not kept and len(exports) == 2
    assert path.read_bytes() == whole
