"""The declared sets, on miniature trees of every layout in which they are published."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from irbox.datasets import PairedImageDataset, source_report
from irbox.datasets.pairs.set_declaration import known_sets, load_declaration
from support.all_trees import TREES
from support.data_trees import of, picture, save
from support.paths import ROOT
from support.split_names import splits_of
from support.tree_tables import DOCS, in_docs, tables

BY_NAME = {tree.about: tree for tree in TREES}
FOLDERS = {'input': 'file', 'target': 'gt'}


def build(root, source, **options):
    folder = source.get('root', '.')
    return PairedImageDataset({'x': {**source, 'root': folder}}, data_root=str(root), **options)


def found(dataset, root):
    return [
        (str(p.degraded.relative_to(root)), str(p.clean.relative_to(root)), p.label)
        for p in dataset.pairs
    ]


@pytest.mark.parametrize('tree', TREES, ids=lambda tree: tree.about)
def test_layout(tree, tmp_path):
    tree.plant(tmp_path)
    dataset = build(tmp_path, tree.source)
    expected = [(str(Path(d)), str(Path(c)), label) for d, c, label in tree.pairs]
    assert found(dataset, tmp_path) == expected
    stems = [Path(degraded).stem for degraded, _, _ in tree.pairs]
    assert dataset.names == (tree.names or stems)
    assert len(set(dataset.names)) == len(dataset.names)
    assert dataset.task_counts == {
        label: [p[2] for p in expected].count(label) for label in tree.labels
    }
    item = dataset[len(dataset) - 1]
    assert item['image'].shape == item['target'].shape == (3, 20, 30)
    assert item['label'] == expected[-1][2]


def test_every_set_and_split_has_a_tree():
    planted = {(tree.source['set'], tree.source.get('split')) for tree in TREES}
    for name in known_sets():
        splits = splits_of(name)
        assert {split for one, split in planted if one == name} == set(splits)


def test_a_label_that_is_taken_away(tmp_path):
    """The name of the source is what is left."""
    tree = next(tree for tree in TREES if tree.source['set'] == 'rain100l')
    tree.plant(tmp_path)
    assert set(build(tmp_path, {**tree.source, 'label': None}).task_counts) == {'x'}


def test_published_counts():
    counts = {
        (name, split): load_declaration(name, split).counts
        for name in known_sets()
        for split in splits_of(name)
    }
    total = {
        key: sum(value.values()) if isinstance(value, dict) else value
        for key, value in counts.items()
    }
    assert total == {
        ('allweather', 'real'): None,
        ('allweather', 'test_rain_fog'): 750,
        ('allweather', 'test_raindrop'): 58,
        ('allweather', 'test_snow'): 16_801,
        ('allweather', 'train'): 18_069,
        ('bsd400_wed', None): 5_144,
        ('cbsd68', None): 68,
        ('cdd11', 'test'): 2_200,
        ('cdd11', 'train'): 13_013,
        ('csd', 'test'): 2_000,
        ('csd', 'train'): 8_000,
        ('dpdd', 'test'): 76,
        ('dpdd', 'train'): 350,
        ('dpdd', 'val'): 74,
        ('gopro', 'test'): 1_111,
        ('gopro', 'train'): 2_103,
        ('gopro', 'train_crops'): 8 * 2_103,
        ('hide', 'test'): 2_025,
        ('hide', 'train'): 6_397,
        ('kodak24', None): 24,
        ('lhp', 'test'): None,
        ('lhp', 'train'): None,
        ('lol_v1', 'test'): 15,
        ('lol_v1', 'train'): 485,
        ('lol_v2', 'test_real'): 100,
        ('lol_v2', 'test_synthetic'): 100,
        ('lol_v2', 'train_real'): 689,
        ('lol_v2', 'train_synthetic'): 900,
        ('msrs', 'test'): 361,
        ('msrs', 'train'): 1_083,
        ('outdoor_rain', 'test1'): 750,
        ('outdoor_rain', 'train'): 8_250,
        ('paired', None): None,
        ('rain100h', 'test'): 100,
        ('rain100h', 'train'): 1_800,
        ('rain100l', 'test'): 100,
        ('rain100l', 'train'): 200,
        ('rain200h', 'test'): 200,
        ('rain200h', 'train'): 1_800,
        ('rain200l', 'test'): 200,
        ('rain200l', 'train'): 1_800,
        ('raindrop', 'test_a'): 58,
        ('raindrop', 'test_b'): 249,
        ('raindrop', 'train'): 861,
        ('rainds_real', 'test'): 3 * 98,
        ('rainds_real', 'train'): 3 * 150,
        ('realblur', 'test_j'): 980,
        ('realblur', 'test_r'): 980,
        ('realblur', 'train_j'): 3_758,
        ('realblur', 'train_r'): 3_758,
        ('reside_ots', None): 72_135,
        ('sidd', 'train'): 320,
        ('sidd', 'train_crops'): None,
        ('sidd', 'val'): 1_280,
        ('snow100k', 'test_l'): 16_801,
        ('snow100k', 'test_m'): 16_588,
        ('snow100k', 'test_s'): 16_611,
        ('snow100k', 'train'): 50_000,
        ('sots_outdoor', None): 500,
        ('spa', 'test'): 1_000,
        ('spa', 'train'): 638_492,
        ('urban100', None): 100,
        ('weatherbench', 'test'): 600,
        ('weatherbench', 'train'): 41_402,
    }
    assert counts['allweather', 'train'] == {'snow': 9001, 'raindrop': 818, 'rain_fog': 8250}


def test_a_count_that_differs_is_said_per_label(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(source_report, 'print_log', lambda text, **_: said.append(text))
    BY_NAME['allweather: the archive'].plant(tmp_path)
    build(tmp_path, of('allweather', 'train'))
    assert said == [
        'Data source x: 4 pairs (rain_fog 1, raindrop 2, snow 1; 2 excluded by number)',
        'Data source x: allweather (train) is known with 9,001 pairs labelled snow; 1 were found.',
        'Data source x: allweather (train) is known with 818 pairs labelled raindrop; '
        '2 were found.',
        'Data source x: allweather (train) is known with 8,250 pairs labelled rain_fog; '
        '1 were found.',
    ]
    said.clear()
    BY_NAME["rain100l: MIRAGE's test"].plant(tmp_path / 'rain')
    build(tmp_path / 'rain', of('rain100l', 'test'))
    assert said[1] == 'Data source x: rain100l (test) is known with 100 pairs; 2 were found.'


def test_nothing_is_said_of_a_count_that_fits(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(source_report, 'print_log', lambda text, **_: said.append(text))
    for i in range(15):
        save(tmp_path / 'eval15' / 'low' / f'{i}.png')
        save(tmp_path / 'eval15' / 'high' / f'{i}.png')
    build(tmp_path, of('lol_v1', 'test'))
    assert said == ['Data source x: 15 pairs (low_light 15)']


def test_the_trees_are_a_hundred_and_twenty_at_least():
    assert len({repr(tree) for tree in TREES}) == len(TREES) >= 120


def test_degraded_images_of_a_source_may_lack_a_clean_one(tmp_path):
    for source in ('a', 'b'):
        for name in ('input/1', 'input/2', 'gt/1'):
            save(tmp_path / source / f'{name}.png')
    folders = {'input': 'a/input', 'target': 'a/gt', 'strict': False}
    assert len(PairedImageDataset({'x': folders}, data_root=str(tmp_path))) == 1
    others = {'input': 'b/input', 'target': 'b/gt'}
    with pytest.raises(ValueError, match='1 of 2 degraded images in .*b'):
        PairedImageDataset({'x': folders, 'y': others}, data_root=str(tmp_path))
    with pytest.raises(ValueError, match="strict='no' must be true or false"):
        PairedImageDataset({'x': {**others, 'strict': 'no'}}, data_root=str(tmp_path))


def test_a_set_of_which_one_is_missing_is_found_unless_it_shall_not_be(tmp_path):
    tree = BY_NAME['rainds_real: with the orphan, as distributed'].plant(tmp_path)
    assert len(build(tmp_path, tree.source)) == 6
    with pytest.raises(ValueError, match='IMG_7435'):
        build(tmp_path, {**tree.source, 'strict': True})


@pytest.mark.parametrize('number', [100, 200])
def test_heavy_and_light_rain_of_the_same_names_are_told_apart(tmp_path, number):
    for kind, change in (('L', 8), ('H', 80)):
        for i in range(1, 7):
            clean = np.full((8, 8, 3), 90, dtype=np.uint8)
            save(tmp_path / kind / 'input' / f'{i}.png', Image.fromarray(clean + np.uint8(change)))
            save(tmp_path / kind / 'target' / f'{i}.png', Image.fromarray(clean))
    light, heavy = f'rain{number}l', f'rain{number}h'
    found = {
        (name, kind): build(tmp_path, of(name, 'test', root=kind)).differences[:-1]
        for name in (light, heavy)
        for kind in 'LH'
    }
    assert found[light, 'L'] == found[heavy, 'H'] == []
    assert found[light, 'H'] == [
        f'Data source x: {light} (test) is known with degraded images of at least 20 dB on '
        f'average, but these have 10.1 dB. Are they {heavy}, which has the same names?'
    ]
    assert 'at most 20 dB on average, but these have 30.1 dB' in found[heavy, 'L'][0]


def test_what_cannot_be_read_says_nothing_of_the_rain(tmp_path):
    save(tmp_path / 'input' / '1.png')
    save(tmp_path / 'target' / '1.png', picture(width=10))
    assert len(build(tmp_path, of('rain100h', 'test')).differences) == 1


def test_guards_can_be_switched_off(tmp_path):
    tree = BY_NAME['allweather: the archive'].plant(tmp_path)
    dataset = build(tmp_path, {**tree.source, 'exclude_ids': None})
    assert dataset.task_counts == {'rain_fog': 3, 'raindrop': 2, 'snow': 1}


def test_copies_of_raindrop_test_images_are_left_out_of_allweather(tmp_path):
    tree = BY_NAME['allweather: the archive'].plant(tmp_path)
    from support.data_trees import picture

    leaked = picture(seed=7)
    save(tmp_path / 'train/input/861_rain.png', leaked)
    save(tmp_path / 'train/gt/861_rain.png')
    save(tmp_path / 'test_raindrop/input/0_rain.png', leaked)
    dataset = build(tmp_path, tree.source)
    assert '861_rain' not in dataset.names
    assert len(dataset) == 4
    assert '861_rain' in build(tmp_path, {**tree.source, 'exclude_copies_of': None}).names


def test_ots_without_the_scenes_of_sots(tmp_path):
    tree = BY_NAME['reside_ots: clean in original as jpg'].plant(tmp_path / 'ots')
    BY_NAME['sots_outdoor: the archive'].plant(tmp_path / 'sots')
    save(tmp_path / 'sots/hazy/0025_0.9_0.1.jpg')
    for folder in ('hazy', 'gt'):
        save(tmp_path / 'sots/gt/0025.png')
        source = {**tree.source, 'root': 'ots', 'exclude_ids_from': f'sots/{folder}'}
        dataset = build(tmp_path, source)
        assert dataset.names == ['3068_0.95_0.16']
    with pytest.raises(FileNotFoundError, match='sots/nope does not exist'):
        build(tmp_path, {**source, 'exclude_ids_from': 'sots/nope'})


def test_the_published_list_of_bsd_fits_copies_without_the_leading_a(tmp_path):
    (tmp_path / 'denoise.txt').write_text('00001.bmp\na100007.jpg\n')
    for about in ('bsd400_wed: in one folder', 'bsd400_wed: a copy without the leading a'):
        tree = BY_NAME[about].plant(tmp_path / 'x' / about.replace(' ', '_').replace(':', ''))
        folder = f'x/{about.replace(" ", "_").replace(":", "")}'
        dataset = build(tmp_path, {**tree.source, 'root': folder, 'allow_list': 'denoise.txt'})
        assert len(dataset) == 2


def test_only_some_labels(tmp_path):
    tree = BY_NAME['cdd11: test in CDD-11_test'].plant(tmp_path)
    assert build(tmp_path, {**tree.source, 'only': 'low_haze'}).task_counts == {'low_haze': 2}
    assert len(build(tmp_path, {**tree.source, 'only': ['low', 'snow']})) == 4
    with pytest.raises(ValueError, match="no image .*'fog'.*Known: haze, haze_rain"):
        build(tmp_path, {**tree.source, 'only': 'fog'})


def test_clean_sets_want_a_degradation(tmp_path):
    BY_NAME['kodak24'].plant(tmp_path)
    with pytest.raises(ValueError, match='kodak24 holds clean images only.*GaussianNoise'):
        build(tmp_path, of('kodak24'))


def test_images_that_a_config_excludes_as_copies_are_left_out_or_their_folder_is_missed(tmp_path):
    for folder in ('train/rainy', 'train/gt', 'tests'):
        save(tmp_path / folder / 'rain-1.png')
    save(tmp_path / 'train/rainy/rain-2.png', picture(2))
    save(tmp_path / 'train/gt/rain-2.png')
    source = of('rain100l', 'train')
    for folders in ('tests', ['tests'], tmp_path / 'tests'):
        dataset = build(tmp_path, {**source, 'exclude_copies_of': folders})
        assert dataset.names == ['rain-2']
    with pytest.raises(FileNotFoundError, match='Data folder .*test does not exist'):
        build(tmp_path, {**source, 'exclude_copies_of': ['test']})


def test_a_label_that_is_missing_altogether_is_said(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(source_report, 'print_log', lambda text, **_: said.append(text))
    for kind in ('clear', 'low', 'haze'):
        save(tmp_path / 'test' / kind / '1.png')
    build(tmp_path, of('cdd11', 'test'))
    assert len(said) == 12
    assert (
        'Data source x: cdd11 (test) is known with 200 pairs labelled snow; 0 were found.' in said
    )
    said.clear()
    build(tmp_path, of('cdd11', 'test', only=['low']))
    assert len(said) == 2 and 'labelled low; 1 were found' in said[1]
    said.clear()
    build(tmp_path, of('cdd11', 'test', label='dark'))
    assert said[1:] == ['Data source x: cdd11 (test) is known with 2,200 pairs; 2 were found.']


def test_whole_images_of_gopro_are_not_taken_for_crops(tmp_path):
    for side in ('blur', 'sharp'):
        save(tmp_path / 'train' / 'GOPR0372_07_00' / side / '000047.png')
    with pytest.raises(FileNotFoundError, match='none of the layouts of gopro .train_crops'):
        build(tmp_path, of('gopro', 'train_crops'))


def test_a_file_in_place_of_a_folder(tmp_path):
    (tmp_path / 'file').write_text('')
    save(tmp_path / 'gt' / '1.png')
    for source in ({'set': 'lol_v1', 'split': 'train', 'root': 'file'}, FOLDERS):
        with pytest.raises(FileNotFoundError, match='file is a file, no folder'):
            PairedImageDataset({'x': source}, data_root=str(tmp_path))


def test_a_set_of_a_base_can_be_replaced_by_folders(tmp_path):
    for side in ('file', 'gt'):
        save(tmp_path / side / '1.png')
    dataset = PairedImageDataset(
        {'x': {'set': None, 'split': None, 'root': None, **FOLDERS}}, data_root=str(tmp_path)
    )
    assert len(dataset) == 1


def test_no_layout_fits(tmp_path):
    save(tmp_path / 'rain' / 'RainTrainL' / '1.png')
    with pytest.raises(FileNotFoundError) as caught:
        build(tmp_path / 'rain', of('rain100l', 'train'))
    text = str(caught.value)
    assert 'none of the layouts of rain100l (train)' in text
    assert 'rain_data_train_Light/rain and rain_data_train_Light/norain' in text
    assert 'rainy and gt, in train or directly' in text
    assert 'It has RainTrainL.' in text
    assert 'give `input` and `target`' in text


def test_a_root_one_folder_too_high_is_told(tmp_path):
    BY_NAME["rain100l: PromptIR's training"].plant(tmp_path / 'Rain100L')
    with pytest.raises(FileNotFoundError, match='Rain100L fits: set root to it'):
        build(tmp_path, of('rain100l', 'train'))


def test_a_root_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match='nope does not exist.*It should hold lol_v1'):
        build(tmp_path, of('lol_v1', 'train', root='nope'))


def test_the_default_root_is_the_name_of_the_set(tmp_path):
    BY_NAME['kodak24'].plant(tmp_path / 'kodak24')
    dataset = PairedImageDataset({'noise': BY_NAME['kodak24'].source}, data_root=str(tmp_path))
    assert len(dataset) == 2
    assert dataset[0]['label'] == 'noise'


@pytest.mark.parametrize(
    ('source', 'message'),
    [
        (of('rain100'), "No data set is called 'rain100'. Did you mean 'rain100l'"),
        (of('rain100l'), 'rain100l needs a split, got None. Known: test, train'),
        (of('rain100l', 'trian'), "got 'trian'. Did you mean 'train'"),
        (of('kodak24', 'test'), 'kodak24 has no splits'),
        (of('rain100l', 'train', input='a'), 'has `set` and input: .*_delete_'),
        (of('rain100l', 'train', rot='a'), "takes no 'rot'. Did you mean 'root'"),
        (of(5), 'source x: set=5 must be the name'),
        (of('rain100l', ['train']), r"source x: split=\['train'\] must be the name"),
        (of('rain100l', 'train', root=5), 'source x: root=5 must be the path'),
        (of('rain100l', 'train', only=5), 'source x: only=5 must be a label'),
        (of('rain100l', 'train', exclude_ids=[1, 2]), r'exclude_ids=\[1, 2\] must be \{first'),
        (of('rain100l', 'train', exclude_copies_of=5), 'exclude_copies_of=5 must be a folder'),
        (of('kodak24', degrade='GaussianNoise'), "degrade='GaussianNoise' must be a degradation"),
        ('rain100l', "source x: 'rain100l' must be a mapping"),
    ],
)
def test_mistakes_are_named(tmp_path, source, message):
    with pytest.raises(ValueError, match=message):
        PairedImageDataset({'x': source}, data_root=str(tmp_path))


MINE = r"""
about: My photographs.
label: '{kind}'
choices: {kind: {wet: rain, white: snow}}
pairing: [['(.+)_bad', '\1_good']]
splits:
  train: {counts: 2, layouts: [{input: '{kind}/bad', target: '{kind}/good'}]}
"""


def test_a_declaration_of_ones_own(tmp_path):
    path = tmp_path / 'mine' / 'mine.yaml'
    for kind in ('wet', 'white', 'else'):
        save(path.parent / kind / 'bad' / '1_bad.png')
        save(path.parent / kind / 'good' / '1_good.png')
    path.write_text(MINE)
    dataset = PairedImageDataset({'mine': {'set': str(path), 'split': 'train'}})
    assert found(dataset, path.parent) == [
        ('wet/bad/1_bad.png', 'wet/good/1_good.png', 'rain'),
        ('white/bad/1_bad.png', 'white/good/1_good.png', 'snow'),
    ]
    assert dataset.names == ['wet_1_bad', 'white_1_bad']
    shutil.move(path, tmp_path / 'other.yaml')
    source = {'set': str(tmp_path / 'other.yaml'), 'split': 'train', 'root': 'mine'}
    assert len(PairedImageDataset({'mine': source}, data_root=str(tmp_path))) == 2


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('layout: []', "takes no 'layout'. Did you mean 'layouts'"),
        ('label: rain', 'needs `layouts`'),
        ('layouts: [{input: a}]', 'layouts.0 needs `input` and `target`, or `clean`'),
        ('layouts: [{input: a, traget: b}]', "layouts.0 takes no 'traget'"),
        ('layouts: [a]', 'layouts.0 must be a mapping'),
        ('a: [', 'is not valid YAML'),
        ('layouts: [{input: a, target: "{b}"}]', r'\{b\} stands neither in input'),
        ('{layouts: [{input: a, target: c}], label: "{b}"}', r'\{b\} does not stand in input'),
        ('{splits: [train]}', r"splits=\['train'\] must be a mapping"),
        ('layouts: {input: a, target: b}', 'needs `layouts`: a list'),
        ('{layouts: [{input: a, target: b}], inside: 5}', 'inside=5 must be a folder'),
        ('{layouts: [{input: a, target: b}], counts: many}', "counts='many' must be a number"),
        ('{layouts: [{input: a, target: b}], label: 5}', 'label=5 must be a text'),
        ('layouts: [{input: a, target: b, choices: [a]}]', r"choices=\['a'\] must be a mapping"),
        ('layouts: [{input: a, target: b, choices: {k: {a: on}}}]', 'choices=.*True.*in quotes'),
        ('layouts: [{input: a, target: b, exclude_ids: 3}]', 'exclude_ids=3 must be'),
        ('layouts: [{input: a, target: b, id_pattern: 3}]', 'id_pattern=3 must be'),
        ('layouts: [{input: a, clean: b}]', 'layouts.0 needs `input` and `target`, or `clean`'),
        ('{layouts: [{input: a, target: b}], half: left}', "half='left' must be train or test"),
        ('{layouts: [{input: a, target: b}], strict: 1}', 'strict=1 must be true or false'),
        ('{layouts: [{input: a, target: b}], input_psnr: 5}', 'input_psnr=5 must be {least'),
        ('like: rain100', "no data set is called 'rain100'. Did you mean 'rain100"),
        ('layouts: [{input: , target: b}]', 'layouts.0 needs `input` and `target`, or `clean`'),
        ('layouts: [{input: /a, target: b}]', '/a must be a path below'),
    ],
)
def test_mistakes_in_a_declaration_are_named(tmp_path, text, message):
    path = tmp_path / 'mine.yaml'
    path.write_text(text)
    for folder in 'abc':
        save(tmp_path / folder / '1.png')
    with pytest.raises(ValueError, match=message):
        PairedImageDataset({'x': {'set': str(path)}})


def test_a_declaration_in_another_encoding(tmp_path):
    (tmp_path / 'mine.yaml').write_bytes('about: für'.encode('latin1'))
    with pytest.raises(ValueError, match=r'mine\.yaml is not valid YAML'):
        load_declaration(str(tmp_path / 'mine.yaml'))


def test_a_declaration_that_is_not_there():
    with pytest.raises(FileNotFoundError, match=r'nope\.yaml does not exist'):
        load_declaration('nope.yaml')


def test_declarations_are_shipped():
    setup = ROOT / 'setup.py'
    assert "'irbox.datasets': ['sets/*.yaml'," in setup.read_text()


def test_the_tables_of_the_docs_are_those_of_the_tests():
    text = DOCS.read_text(encoding='utf-8')
    assert in_docs(text, tables()) == text, 'run: python tests/support/tree_tables.py'
