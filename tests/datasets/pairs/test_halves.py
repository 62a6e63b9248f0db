"""Training and test halves: advice obeys them, and the wrong one is never taken in silence."""

from dataclasses import replace
from pathlib import Path

import pytest
from mmengine.config import Config

from irbox.data_check import check_data
from irbox.datasets import PairedImageDataset, source_report
from irbox.datasets.pairs.halves import Half, half_of_folders, half_of_name, named_half
from irbox.datasets.pairs.set_declaration import known_sets, load_declaration
from irbox.engine.data_notes import training_warnings
from support.all_trees import TREES
from support.data_trees import of, save
from support.split_names import splits_of

BY_NAME = {tree.about: tree for tree in TREES}


@pytest.mark.parametrize(
    ('name', 'half'),
    [
        *((name, 'train') for name in ('train', 'Train', 'RainTrainL', 'CDD-11_train', 'training')),
        *((name, 'train') for name in ('train2500', 'train_set', 'rain_data_train_Light')),
        *((name, 'test') for name in ('test', 'TEST', 'Test1', 'test_a', 'RainTestL', 'test2000')),
        *((name, 'test') for name in ('val', 'eval15', 'validation', 'Snow100K-testset')),
        *(
            (name, '')
            for name in ('valley', 'our485', 'contest', 'latest', 'train_test', '', 'SOTS')
        ),
    ],
)
def test_words_of_names(name, half):
    assert half_of_name(name) == half


def test_the_innermost_folder_counts():
    assert half_of_folders(['test_machine', 'GoPro', 'train', 'blur']) == 'train'
    assert half_of_folders(['train', 'rain', 'test']) == 'test'
    assert half_of_folders(['data', 'rain']) == ''


def test_folders_that_the_config_does_not_name_count_less():
    root = Path('/test_of_mine/data')
    assert named_half(root / 'test' / 'blur', root) == 'test'
    assert named_half(root / 'blur', root) == ''
    assert named_half(root / 'test_a' / 'blur', root / 'test_a') == 'test'
    assert named_half(root / 'blur', Path('elsewhere')) == 'test'
    assert named_half(Path('/test_of_mine/a/b/c'), Path('elsewhere')) == ''
    assert named_half(Path('data/test/blur'), Path()) == 'test'


def test_every_split_says_what_it_is_for():
    for name in known_sets():
        for split in splits_of(name):
            half = load_declaration(name, split).half
            assert half in ('train', 'test') or (name == 'paired' and half == '')


def other_half(declaration):
    return 'test' if declaration.half == 'train' else 'train'


def planted_halves():
    """Every tree with two halves, so that only the wrong half is there."""
    for name in known_sets():
        for split in splits_of(name):
            wanted = load_declaration(name, split)
            for tree in TREES:
                if tree.source['set'] != name:
                    continue
                there = load_declaration(name, tree.source.get('split'))
                if {wanted.half, there.half} == {'train', 'test'}:
                    yield pytest.param(split, tree, id=f'{split} from {tree.about}')


def build(root, source):
    return PairedImageDataset({'x': source}, data_root=str(root))


@pytest.mark.parametrize(('split', 'tree'), list(planted_halves()))
def test_the_other_half_alone_is_never_offered(split, tree, tmp_path, monkeypatch):
    """A layout that has no word for the half, as `{input,target}`, is told by its warning."""
    monkeypatch.setattr(source_report, 'print_log', lambda *_, **__: None)
    wanted = load_declaration(tree.source['set'], split)
    folder = f'{other_half(wanted)}_set'
    # Some trees have the other half beside them.
    replace(tree, others=[]).plant(tmp_path / 'data' / folder)
    source = of(tree.source['set'], split, root='.')
    with pytest.raises((FileNotFoundError, ValueError)) as caught:
        build(tmp_path / 'data', source)
    assert 'fits: set root to it' not in str(caught.value)
    try:
        dataset = build(tmp_path / 'data', {**source, 'root': folder})
    except (FileNotFoundError, ValueError):
        return
    (half,) = dataset.halves
    named = half_of_folders(Path(half.folder).relative_to(tmp_path).parts)
    assert named == wanted.half or half.objections()


def test_the_right_half_is_offered_beside_the_wrong_one(tmp_path):
    for folder in ('A_test', 'B_train', 'C_test'):
        BY_NAME['lol_v1: low and gt'].plant(tmp_path / folder)
    with pytest.raises(FileNotFoundError, match='B_train fits: set root to it'):
        build(tmp_path, of('lol_v1', 'train', root='.'))
    with pytest.raises(FileNotFoundError, match='A_test fits: set root to it'):
        build(tmp_path, of('lol_v1', 'test', root='.'))


def fifteen(root, folder):
    for i in range(15):
        save(root / folder / 'low' / f'{i}.png')
        save(root / folder / 'high' / f'{i}.png')


def test_a_folder_with_the_count_of_the_test_half_is_not_offered(tmp_path):
    fifteen(tmp_path, 'LOL/low_light')
    with pytest.raises(FileNotFoundError) as caught:
        build(tmp_path, of('lol_v1', 'train', root='LOL'))
    assert (
        'low_light fits, but it holds 15 pairs, as many as lol_v1 (test), so it is not offered '
        'for lol_v1 (train). Set root'
    ) in str(caught.value)
    with pytest.raises(FileNotFoundError, match='low_light fits: set root to it'):
        build(tmp_path, of('lol_v1', 'test', root='LOL'))


def test_a_set_for_either_use_offers_no_test_folder(tmp_path):
    for side in ('input', 'target'):
        save(tmp_path / 'test' / side / '1.png')
    with pytest.raises(FileNotFoundError, match='test fits, but it is named for testing, so it'):
        build(tmp_path, of('paired', root='.'))


def test_the_wrong_half_by_hand_is_warned_of(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(source_report, 'print_log', lambda text, **_: said.append(text))
    fifteen(tmp_path, 'eval')
    dataset = build(tmp_path, of('lol_v1', 'train', root='eval'))
    begin = 'Data source x is to be used for training with 15 pairs, but '
    folder = tmp_path / 'eval' / 'low'
    end = ' A network that is trained on test images has scores that mean nothing.'
    warnings = [
        f'{begin}{folder} is named for testing.{end}',
        f'{begin}{folder} holds as many pairs as lol_v1 (test).{end}',
    ]
    assert said[2:] == warnings
    count = 'Data source x: lol_v1 (train) is known with 485 pairs; 15 were found.'
    everything = [*warnings, count]
    assert training_warnings(dataset, strict=False) == [f'WARNING: {one}' for one in everything]
    with pytest.raises(ValueError, match='strict_data=false') as caught:
        training_warnings(dataset)
    assert ' '.join(everything) in str(caught.value)


def test_two_folders_of_a_test_half_are_warned_of_where_they_are_trained_on(tmp_path):
    fifteen(tmp_path, 'test')
    dataset = build(tmp_path, {'input': 'test/low', 'target': 'test/high'})
    assert dataset.halves[0].objections() == []
    (warning,) = training_warnings(dataset, strict=False)
    assert 'used for training with 15 pairs, but' in warning and 'named for testing' in warning


def test_a_test_set_is_warned_of_where_it_is_trained_on():
    half = Half('x', 'kodak24', 'test', '', Path('k'), 24, {})
    assert half.objections() == []
    (warning,) = half.objections(training=True)
    assert 'kodak24 is published for testing' in warning


def test_the_check_of_data_finds_the_wrong_half(tmp_path):
    fifteen(tmp_path, 'test')
    source = of('lol_v1', 'train', root='test')
    dataset = {
        'type': 'PairedImageDataset',
        'data_root': str(tmp_path),
        'sources': {'x': source},
    }
    found = check_data(Config({'train_dataloader': {'dataset': dataset}})).serious
    assert [finding.kind for finding in found if finding.kind != 'duplicate'] == [
        'count',
        'split',
        'split',
    ]
