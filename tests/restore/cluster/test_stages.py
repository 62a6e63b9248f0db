"""What decodes and encodes, run here in folders that are not the command's."""

import os
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

import pytest

from irbox.pictures import read_picture
from irbox.restore.batch.done_list import DoneList
from irbox.restore.cluster.item import Item
from irbox.restore.cluster.list_items import list_items
from irbox.restore.cluster.restore_on_ray import model_of
from irbox.restore.cluster.stages import STATE, Decode, Encode
from support.tiny_model import photograph

WRITING = {'format': 'keep', 'quality': None, 'strip': ()}


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The command's, and that in which a cluster's processes begin; both hold pictures."""
    for name in ('own', 'cluster'):
        (tmp_path / name / 'out').mkdir(parents=True)
    monkeypatch.chdir(tmp_path / 'own')
    photograph().save('a.png')
    (tmp_path / 'cluster/out/a.png').write_bytes(b'of somebody else')
    os.chdir(tmp_path / 'cluster')
    return tmp_path


def outcome_of(item, folder, overwrite=False):
    passed = Decode('keep', str(folder))(asdict(item))[STATE]
    if passed.picture is not None:
        passed.pixels = passed.picture.pixels
    return Encode(WRITING, overwrite, str(folder))(passed.as_row())[STATE].outcome


def test_relative_names_are_those_of_the_command(folders):
    outcome = outcome_of(Item('a.png', 'out/a.png'), folders / 'own')
    assert (outcome.status, str(outcome.job.target)) == ('restored', 'out/a.png')
    assert (folders / 'cluster/out/a.png').read_bytes() == b'of somebody else'
    assert read_picture(folders / 'own/out/a.png').size == (60, 40)


def test_a_machine_without_the_folder(folders):
    outcome = outcome_of(Item('a.png', 'out/a.png'), folders / 'none')
    assert outcome.status == 'failed'
    assert 'a.png is relative to' in outcome.reason and 'all machines share' in outcome.reason
    whole = Item(str(folders / 'own/a.png'), str(folders / 'own/whole.png'))
    assert outcome_of(whole, folders / 'none').status == 'restored'


def test_a_model_is_named_as_every_folder_knows_it(folders):
    for name in ('model.pth', 'config.py'):
        Path(name).touch()
    here = Path.cwd()
    asked = Namespace(model='model.pth', config='config.py')
    assert model_of(asked) == (str(here / 'config.py'), str(here / 'model.pth'))
    assert model_of(Namespace(model='model.pth', config=None)) == str(here / 'model.pth')
    asked = Namespace(model='https://a/model.pth', config='m2ir_demo')
    assert model_of(asked) == ('m2ir_demo', 'https://a/model.pth')


def test_two_answers_at_an_address_never_become_one(folders):
    pytest.importorskip('fsspec')
    source = folders / 'source'
    source.mkdir()
    photograph().save(source / 'a.jpg', 'PNG')
    items = list_items([source.as_uri()], (folders / 'o').as_uri()).left
    assert [Path(one.target).name for one in items] == ['a.png']
    assert outcome_of(items[0], folders).status == 'restored'
    # Known again by the list of what is done.
    done = DoneList(folders / 'list.jsonl', 'settings')
    done.finish(items[0])
    done = DoneList(done.path, 'settings')
    assert not list_items([source.as_uri()], (folders / 'o').as_uri(), done_list=done).left
    photograph(20, 20).save(source / 'a.png')
    with pytest.raises(ValueError, match='would both be written'):
        list_items([source.as_uri()], (folders / 'out').as_uri())


def test_an_address_that_was_not_foreseen_is_not_replaced(folders):
    pytest.importorskip('fsspec')
    photograph().save(folders / 'a.jpg', 'PNG')
    there = folders / 'own/a.png'
    before = there.read_bytes()
    item = Item((folders / 'a.jpg').as_uri(), (folders / 'own/a.jpg').as_uri())
    outcome = outcome_of(item, folders)
    assert outcome.status == 'failed' and 'own/a.png exists. Add --overwrite' in outcome.reason
    assert there.read_bytes() == before
    outcome = outcome_of(item, folders, overwrite=True)
    assert outcome.notes[0] == 'Written as a.png: it is a PNG file by content.'
