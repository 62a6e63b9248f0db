import pytest

from irbox.datasets.pairs.paired_source import PairedSource, UnmatchedImagesError, natural_key


def tree(root, degraded, clean):
    """Empty files: pairing reads names alone."""
    for folder, names in (('input', degraded), ('target', clean)):
        (root / folder).mkdir(exist_ok=True)
        for name in names:
            (root / folder / name).touch()
    return root


def source(root, **options):
    return PairedSource(
        **{'input': root / 'input', 'target': root / 'target', 'label': 'rain'} | options
    )


def names(pairs):
    return [(pair.degraded.name, pair.clean.name) for pair in pairs]


def test_same_name_in_natural_order_with_any_suffix(tmp_path):
    tree(tmp_path, ['10.PNG', '2.jpg', '1.png', 'notes.txt'], ['1.jpg', '2.bmp', '10.tif'])
    pairs, left_out = source(tmp_path).find_pairs()
    assert names(pairs) == [('1.png', '1.jpg'), ('2.jpg', '2.bmp'), ('10.PNG', '10.tif')]
    assert {pair.label for pair in pairs} == {'rain'}
    assert left_out == {}


def test_a_clean_image_of_the_same_type_is_preferred(tmp_path):
    tree(tmp_path, ['a.jpg', 'b.bmp'], ['a.png', 'a.jpg', 'b.jpg', 'b.png'])
    assert names(source(tmp_path).find_pairs()[0]) == [('a.jpg', 'a.jpg'), ('b.bmp', 'b.png')]


def test_rules_are_tried_in_order(tmp_path):
    tree(tmp_path, ['0_rain.png', '1_rain.png'], ['0_clean.png', '1_rain.png', '1_clean.png'])
    rule = ['(.+)_rain', r'\1_clean']
    assert names(source(tmp_path, pairing=['same_name', rule]).find_pairs()[0]) == [
        ('0_rain.png', '0_clean.png'),
        ('1_rain.png', '1_rain.png'),
    ]
    assert names(source(tmp_path, pairing=[rule]).find_pairs()[0]) == [
        ('0_rain.png', '0_clean.png'),
        ('1_rain.png', '1_clean.png'),
    ]


def test_fifteen_inputs_share_a_clean_image(tmp_path):
    inputs = [f'im_0001_s{s}_a{a}.png' for s in (80, 85, 90, 95, 100) for a in ('04', '05', '06')]
    tree(tmp_path, inputs, ['im_0001.png', 'im_0002.png'])
    pairs, _ = source(tmp_path, pairing=['same_name', [r'(im_\d{4}).*', r'\1']]).find_pairs()
    assert len(pairs) == 15
    assert {pair.clean.name for pair in pairs} == {'im_0001.png'}


def test_rules_see_the_whole_name_not_the_folders(tmp_path):
    """A parent folder called like the suffix changes nothing."""
    root = tmp_path / 'x_rain'
    root.mkdir()
    tree(root, ['a_rain_b_rain.png'], ['a_rain_b_clean.png'])
    pairs, _ = source(root, pairing=[['(.+)_rain', r'\1_clean']]).find_pairs()
    assert names(pairs) == [('a_rain_b_rain.png', 'a_rain_b_clean.png')]


def test_labels_by_name(tmp_path):
    files = ['im_0001_s80_a04.png', '7_rain.png', 'beautiful_smile_00001.jpg']
    tree(tmp_path, files, files)
    rules = [[r'im_\d{4}_s\d+_a\d+', 'rain_fog'], [r'\d+_rain', 'raindrop'], ['.*', 'snow']]
    pairs, _ = source(tmp_path, label=rules).find_pairs()
    assert {pair.degraded.name: pair.label for pair in pairs} == dict(
        zip(files, ('rain_fog', 'raindrop', 'snow'), strict=True)
    )
    with pytest.raises(ValueError, match="no label rule fits the name 'beautiful_smile_00001'"):
        source(tmp_path, label=rules[:2]).find_pairs()


def test_excluded_numbers(tmp_path):
    files = [f'im_{i:04}_s80_a04.png' for i in (300, 301, 350, 351)] + ['0301.png', 'snow_0320.png']
    tree(tmp_path, files, files)
    exclude = {'pattern': r'im_(\d{4})_s\d+_a\d+', 'first': 301, 'last': 350}
    pairs, left_out = source(tmp_path, exclude_ids=exclude).find_pairs()
    assert [pair.degraded.name for pair in pairs] == sorted([files[0], *files[3:]], key=natural_key)
    assert left_out == {'excluded by number': 2}


def test_allow_list_with_folders_before_the_names(tmp_path):
    tree(tmp_path, ['a.png', 'b.png', 'c.png'], ['a.png', 'b.png', 'c.png'])
    allow = tmp_path / 'list.txt'
    allow.write_text('input/a.png\nset/input/c.png\n\n')
    pairs, left_out = source(tmp_path, allow_list=allow).find_pairs()
    assert [pair.degraded.name for pair in pairs] == ['a.png', 'c.png']
    assert left_out == {'not in the allow-list': 1}
    allow.write_text('a.png\nd.png\ne.png\n')
    _, left_out = source(tmp_path, allow_list=allow).find_pairs()
    assert left_out == {'in the allow-list, but not there': 2, 'not in the allow-list': 2}
    allow.write_bytes(b'\xef\xbb\xbfa.png\r\nb.png\r\n')
    pairs, _ = source(tmp_path, allow_list=allow).find_pairs()
    assert [pair.degraded.name for pair in pairs] == ['a.png', 'b.png']
    allow.write_bytes(b'\xff\xfe')
    with pytest.raises(ValueError, match=r'allow_list .*list\.txt is no text file in UTF-8'):
        source(tmp_path, allow_list=allow).find_pairs()
    allow.write_text('z.png\n')
    with pytest.raises(ValueError, match='No image of .* is left: .*3 not in the allow-list'):
        source(tmp_path, allow_list=allow).find_pairs()
    with pytest.raises(FileNotFoundError, match='allow_list .*none.txt does not exist'):
        source(tmp_path, allow_list=tmp_path / 'none.txt').find_pairs()


def test_missing_clean_images_are_counted_and_named(tmp_path):
    tree(tmp_path, [f'{i}.png' for i in range(1, 7)], ['2.png'])
    with pytest.raises(ValueError) as caught:
        source(tmp_path, pairing=['same_name', ['(.+)x', r'\1']]).find_pairs()
    text = str(caught.value)
    assert '5 of 6 degraded images' in text
    assert '1.png, 3.png, 4.png, ...' in text
    assert r'same_name, (.+)x -> \1' in text
    assert 'strict: false' in text
    pairs, left_out = source(tmp_path).find_pairs(strict=False)
    assert names(pairs) == [('2.png', '2.png')]
    assert left_out == {'without a clean image': 5}


def test_all_images_without_a_clean_one_can_be_had(tmp_path):
    tree(tmp_path, [f'{number}.png' for number in range(1, 9)], ['1.png'])
    with pytest.raises(UnmatchedImagesError) as error:
        source(tmp_path).find_pairs()
    assert error.value.images == [
        (tmp_path / 'input' / f'{number}.png', tmp_path / 'target') for number in range(2, 9)
    ]


def test_nothing_that_pairs_is_a_mistake_even_when_not_strict(tmp_path):
    tree(tmp_path, ['1.png'], ['2.png'])
    with pytest.raises(ValueError, match='1 of 1 degraded images'):
        source(tmp_path).find_pairs(strict=False)


def test_folder_missing_or_empty(tmp_path):
    with pytest.raises(FileNotFoundError, match='Data folder .*input does not exist'):
        source(tmp_path).find_pairs()
    tree(tmp_path, ['read.me'], ['1.png'])
    with pytest.raises(ValueError, match='input holds no images'):
        source(tmp_path).find_pairs()


def test_hidden_files_are_no_images(tmp_path):
    tree(tmp_path, ['1.png', '._1.png'], ['1.png', '._1.png'])
    assert names(source(tmp_path).find_pairs()[0]) == [('1.png', '1.png')]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'pairing': ['same']}, "no rule is called 'same'. Did you mean 'same_name'"),
        ({'pairing': ['(.+)_a', r'\1_b']}, 'a pair in brackets of its own'),
        ({'pairing': [['a', 'b', 'c']]}, 'must be a pair of texts: a regular expression'),
        ({'pairing': [['a', 1]]}, 'must be a pair of texts'),
        ({'pairing': [['(.+', 'x']]}, 'no regular expression'),
        ({'pairing': [['.+', r'\1']]}, r'has 0 groups in parentheses, but \\1 is needed'),
        ({'label': [['(.+', 'x']]}, 'no regular expression'),
        ({'exclude_ids': {'pattern': '.*', 'first': 1, 'last': 2}}, 'has 0 groups'),
    ],
)
def test_wrong_rules_are_named(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        source(tmp_path, **options)


def test_two_clean_images_for_one(tmp_path):
    tree(tmp_path, ['rain-1.png'], ['norain-1.png', 'clean-01.png'])
    with pytest.raises(ValueError, match=r'Several clean images .*norain-1.*pairing that tells'):
        source(tmp_path, pairing=['last_number']).find_pairs()


def test_a_placeholder_for_several_folders(tmp_path):
    for part in ('p1', 'p2'):
        tree_in = tmp_path / part
        tree_in.mkdir()
        tree(tree_in, [f'{part}.png'], [f'{part}.png'])
    pairs, _ = PairedSource('{part}/input', '{part}/target', '{part}', root=tmp_path).find_pairs()
    assert [
        (p.degraded.parent.parent.name, p.clean.parent.parent.name, p.label) for p in pairs
    ] == [
        ('p1', 'p1', 'p1'),
        ('p2', 'p2', 'p2'),
    ]


def test_exclusions_want_to_know_where_the_number_stands(tmp_path):
    with pytest.raises(ValueError, match='exclude_ids_from needs `id_pattern`'):
        source(tmp_path, exclude_ids_from='x')
    with pytest.raises(ValueError, match='exclude_ids needs `pattern`'):
        source(tmp_path, exclude_ids={'first': 1, 'last': 2})
    tree(tmp_path, ['7_a.png'], ['7_a.png'])
    (tmp_path / 'test').mkdir()
    (tmp_path / 'test' / 'a.png').touch()
    with pytest.raises(ValueError, match='no image of .*test has a number'):
        source(tmp_path, exclude_ids_from=tmp_path / 'test', id_pattern=r'(\d+)_.*').find_pairs()
