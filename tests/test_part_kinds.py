"""A kind of parts is said in one place, ``add_kind``, and known everywhere."""

import pytest
from torch import nn

import irbox.registry
import irbox.testing
import test_naming
import test_parts
from irbox.analysis.count_macs import count_macs
from irbox.analysis.network_table import describe
from irbox.config.check_config import check_config
from irbox.config.list_parts import list_parts, names_of_kinds
from irbox.registry import BLOCKS, MODELS, add_kind, our_registries, part_kinds
from irbox.structures import Stage
from irbox.testing import check_block
from support.paths import ROOT


@pytest.fixture
def aligners(monkeypatch):
    """A kind that irbox does not have, a part of it, and a network that holds one."""
    monkeypatch.setattr(irbox.registry, '_KINDS', list(part_kinds()))
    registry = add_kind(
        'aligner',
        plural='aligners',
        folders=('blocks',),
        keys=('align',),
        collections=('alignments',),
        injected=('stage',),
        check='check_block',
    )

    @registry.register_module()
    class Aligner(nn.Module):
        """Aligns what stands beside each other."""

        def __init__(self, stage: Stage, shift: int = 0):
            super().__init__()
            self.conv = nn.Conv2d(stage.dim, stage.dim, 1)

        def forward(self, x, context):
            return self.conv(x)

    @MODELS.register_module()
    class AlignedNetwork(nn.Module):
        def __init__(self, align, alignments=()):
            super().__init__()
            self.align = registry.build(align, stage=Stage(3, 1))

        def forward(self, image):
            return self.align(image, None)

    yield registry, Aligner
    MODELS.module_dict.pop('AlignedNetwork')


def network(**options):
    align = {'type': 'Aligner'} | options
    return {'model': {'type': 'Restorer', 'network': {'type': 'AlignedNetwork', 'align': align}}}


def test_the_check_of_configs_knows_where_one_stands(aligners):
    check_config(network(shift=3))
    with pytest.raises(ValueError, match="network.align.type: No aligner is called 'ADEC'"):
        check_config(network(type='ADEC'))
    with pytest.raises(ValueError, match="aligner Aligner takes no argument 'shif'.*'shift'") as e:
        check_config(network(shif=3))
    assert 'stage' not in str(e.value)  # nobody writes it
    config = network()
    config['model']['network']['alignments'] = {'first': {'type': 'PixelRouter'}}
    with pytest.raises(ValueError, match='alignments.first.type: No aligner is called'):
        check_config(config)


def test_the_list_of_parts_shows_them(aligners):
    assert 'aligners' in names_of_kinds() and aligners[0] in our_registries()
    (part,), _ = list_parts(kinds=['aligners'])
    assert (part.kind, part.name, part.arguments) == ('aligners', 'Aligner', {'shift': '0'})


def test_the_table_of_a_network_has_a_line_for_one(aligners):
    built = MODELS.build(network()['model']['network'])
    rows = describe(built, count_macs(built, 4, 4))
    assert (rows[0].place, rows[0].part, rows[0].parameters) == ('align', 'Aligner', 12)


def test_the_tests_of_all_parts_try_and_name_them(aligners, monkeypatch):
    monkeypatch.setattr(aligners[1], '__module__', 'irbox.blocks.aligner')  # as if it stood there
    assert any(case.values == (check_block, aligners[1]) for case in test_parts.registered())
    assert any(case.values[1] == 'Aligner' for case in test_naming.registered())


def test_every_kind_is_complete():
    kinds = part_kinds()
    assert len({kind.registry.name for kind in kinds}) == len(kinds)
    keys = [key for kind in kinds for key in (*kind.keys, *kind.collections)]
    assert len(set(keys)) == len(keys), 'a key of configs stands for one kind'
    for kind in kinds:
        for folder in kind.folders:
            assert (ROOT / 'irbox' / folder.replace('.', '/')).is_dir()
        assert hasattr(irbox.testing, kind.check or 'check_block')


def test_every_registry_that_the_package_names_is_a_kind():
    named = {one for one in vars(irbox.registry).values() if isinstance(one, type(BLOCKS))}
    assert named == {kind.registry for kind in part_kinds()}
