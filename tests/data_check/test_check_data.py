import shutil

import pytest
from mmengine.config import Config

from irbox.data_check import check_data
from irbox.datasets.packed.write_packed import write_packed
from irbox.datasets.pairs.data_source import find_source
from support.check_data import folders, kinds


def names(number, start=1):
    return [f'{index}.png' for index in range(start, start + number)]


def test_clean_data_have_no_findings(check, pairs):
    pairs('train', names(4))
    pairs('test', names(3, start=10))
    report = check({'rain': folders('train', repeat=3)}, {'rain': folders('test')})
    assert list(report.findings) == []
    content = report.content()
    assert content['files'] == 14 and content['findings'] == content['notes'] == []
    train, test = content['sets']
    assert (train['place'], train['samples']) == ('train_dataloader', 12)
    assert (test['place'], test['samples']) == ('val_dataloader.rain', 3)
    assert train['sources'] == [
        {
            'name': 'rain',
            'pairs': 4,
            'repeat': 3,
            'labels': {'rain': 4},
            'left_out': {},
            'sizes': {'most_frequent': (40, 30), 'share': 1.0, 'least': (40, 30), 'most': (40, 30)},
        }
    ]


def test_what_is_packed(check, pairs, tmp_path):
    pairs('d', names(3))
    packed = find_source('rain', folders('d'), tmp_path).pairs
    about = {'title': '', 'declared': '', 'named': ''}
    list(write_packed(tmp_path / 'rain.packed', packed, names(3), about))
    for deep in (False, True):
        report = check({'mine': {'packed': 'rain.packed'}}, deep=deep)
        assert list(report.findings) == [] and report.content()['files'] == 6


def test_all_findings_at_once(check, pairs, save, tmp_path):
    """A source that is missing, or broken, keeps none of the others from being looked at."""
    pairs('good', names(3))
    pairs('small', names(2, start=5), width=20)
    save('alone/input/1.png')
    save('alone/target/2.png')
    damaged = tmp_path / 'good/input/2.png'
    damaged.write_bytes(damaged.read_bytes()[:-200])
    report = check(
        {
            'gone': folders('nowhere'),
            'alone': folders('alone'),
            'wrong': folders('good', pairing=['same_nam']),
            'good': folders('good', label=[['[12]', 'rain'], ['3', 'snow']]),
            'small': folders('small'),
        },
        {'also_gone': folders('elsewhere'), 'null': folders('good')},
        patch_size=24,
    )
    serious, notes = kinds(report.serious), kinds(report.notes)
    assert serious == ['leak', 'missing', 'missing', 'source', 'unmatched', *['unreadable'] * 2]
    assert notes == ['small']
    places = {finding.place for finding in report.serious if finding.kind == 'missing'}
    assert places == {
        'train_dataloader, source gone',
        'val_dataloader.also_gone, source also_gone',
    }
    [unreadable] = [f for f in report.serious if f.kind == 'unreadable' and 'train' in f.place]
    assert unreadable.files == (str(damaged),)
    [source] = [one for one in report.sets[0].sources if one.name == 'good']
    assert source.counts == {'rain': 2, 'snow': 1}


def test_counts_sizes_and_what_is_left_out(check, save, tmp_path):
    for index, width in enumerate([40, 40, 90, 10]):
        save(f'd/input/im_{index:04}_s80_a04.png', width=width)
        save(f'd/target/im_{index:04}_s80_a04.png', width=width)
    rule = {'pattern': r'im_(\d{4})_.*', 'first': 2, 'last': 2}
    report = check({'rain': folders('d', exclude_ids=rule)})
    [source] = report.content()['sets'][0]['sources']
    assert source['left_out'] == {'excluded by number': 1}
    assert source['sizes'] == {
        'most_frequent': (40, 30),
        'share': pytest.approx(2 / 3),
        'least': (10, 30),
        'most': (40, 30),
    }


def test_clean_images_without_a_degraded_one_are_worth_knowing(check, pairs, save):
    pairs('d', names(3))
    save('d/target/9.png')
    [note] = check({'rain': folders('d')}).findings
    assert not note.serious and '1 of 4 clean images have no degraded one' in note.message


def test_unmatched_images_are_no_finding_where_they_are_left_out(check, pairs, save):
    pairs('d', names(3))
    save('d/input/9.png')
    [finding] = check({'rain': folders('d')}).findings
    assert finding.serious and finding.kind == 'unmatched' and len(finding.files) == 1
    report = check({'rain': folders('d')}, strict=False)
    assert report.serious == [] and kinds(report.notes) == ['unmatched']
    assert report.sets[0].samples == 3


def test_a_set_that_stands_twice_is_checked_once(pairs, tmp_path):
    pairs('d', names(2))
    dataset = {
        'type': 'PairedImageDataset',
        'data_root': str(tmp_path),
        'sources': {'rain': folders('d')},
    }
    config = Config(
        {'val_dataloader': {'dataset': dataset}, 'test_dataloader': {'rain': {'dataset': dataset}}}
    )
    report = check_data(config)
    assert [one.place for one in report.sets] == ['val_dataloader, test_dataloader.rain']


def test_sets_inside_sets(pairs, tmp_path):
    pairs('d', names(2))
    inner = {
        'type': 'PairedImageDataset',
        'data_root': str(tmp_path),
        'sources': {'rain': folders('d')},
    }
    outer = {'type': 'RepeatDataset', 'times': 2, 'dataset': inner}
    report = check_data(Config({'train_dataloader': {'dataset': outer}}))
    assert [one.place for one in report.sets] == ['train_dataloader.dataset']


def test_generated_data_have_nothing_to_check():
    embedded = {'type': 'EmbeddedDataset', 'split': 'test', 'degradations': {}}
    report = check_data(Config({'train_dataloader': {'dataset': embedded}}))
    assert report.sets == [] and report.serious == []
    assert 'no files to check' in report.notes[0].message


def test_a_config_without_data_is_a_mistake():
    with pytest.raises(ValueError, match='there is no data'):
        check_data(Config({'model': {}}))


def test_mistakes_of_the_whole_set_are_found(check, pairs, save):
    pairs('d', names(2))
    [finding] = check({'rain': folders('d')}, augment='flip').findings
    assert finding.kind == 'source' and "augment: 'flip' is unknown" in finding.message
    save('d/input/9.png')
    report = check({'rain': folders('d')}, augment='flip', strict=False)
    assert kinds(report.serious) == ['source'] and kinds(report.notes) == ['unmatched']


def test_a_source_that_is_no_mapping_is_found(check, pairs):
    pairs('d', names(2))
    [finding] = check({'rain': folders('d'), 'other': 'd/input'}).findings
    assert finding.kind == 'source' and "'d/input' must be a mapping" in finding.message
    [finding] = check(['d/input', 'd/target']).findings
    assert finding.kind == 'source' and 'must be a mapping from names' in finding.message


def test_progress_reaches_the_end(pairs, tmp_path):
    pairs('d', names(70))
    seen = []
    dataset = {
        'type': 'PairedImageDataset',
        'data_root': str(tmp_path),
        'sources': {'rain': folders('d')},
    }
    config = Config({'train_dataloader': {'dataset': dataset}})
    check_data(config, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (140, 140) and len(seen) > 1


def test_counts_that_are_not_as_published(save, tmp_path):
    for index in range(2):
        save(f'lol_v1/our485/low/{index}.png')
        save(f'lol_v1/our485/high/{index}.png')
    dataset = {
        'type': 'PairedImageDataset',
        'data_root': str(tmp_path),
        'sources': {'low': {'set': 'lol_v1', 'split': 'train'}},
    }
    report = check_data(Config({'train_dataloader': {'dataset': dataset}}))
    [finding] = report.findings
    assert (finding.kind, finding.serious) == ('count', True)
    assert '485' in finding.message and '2 were found' in finding.message
    # Who takes images out knows that there are fewer.
    dataset['sources']['low']['exclude_ids'] = {'pattern': r'(\d+)', 'first': 0, 'last': 0}
    [note] = check_data(Config({'train_dataloader': {'dataset': dataset}})).findings
    assert (note.kind, note.serious) == ('count', False)
    del dataset['sources']['low']['exclude_ids']
    shutil.rmtree(tmp_path / 'lol_v1/our485/high')
    report = check_data(Config({'train_dataloader': {'dataset': dataset}}))
    assert kinds(report.serious) == ['missing']
