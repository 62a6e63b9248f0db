from pathlib import Path

import pytest

from irbox.datasets.pairs.image_folders import Folder
from irbox.datasets.pairs.image_selection import FoundImage, ImageSelection, first_names

PLACE = Path('place')


def images(*stems, folder=PLACE, label='rain'):
    return [FoundImage(Folder(folder, {}), f'{stem}.png', stem, label) for stem in stems]


def select(found, **options):
    kept, left_out = ImageSelection(**options).select(found, PLACE)
    return [image.stem for image in kept], left_out


def test_scenes_by_number_ends_included_and_names_without_one_stay():
    found = images('im_300_a', 'im_301_a', 'im_350_b', 'im_351_a', 'other', 'im_x_a')
    wanted = ['im_300_a', 'im_351_a', 'other', 'im_x_a'], {'excluded by number': 2}
    ids = {'first': 301, 'last': 350}
    assert select(found, exclude_ids=ids, id_pattern=r'im_(\d+)_.') == wanted
    assert select(found, exclude_ids=ids | {'pattern': r'im_(\w+)_.'}) == wanted
    assert select(found) == ([image.stem for image in found], {})


def test_scenes_of_another_folder(tmp_path):
    (tmp_path / 'test').mkdir()
    for name in ('0007_1.png', '12_x.png', 'notes.txt', 'none.png'):
        (tmp_path / 'test' / name).touch()
    options = {'root': tmp_path, 'id_pattern': r'(\d+)_.*', 'exclude_ids_from': 'test'}
    kept, left_out = select(images('7_a', '8_a', '0012_b', 'b'), **options)
    assert kept == ['8_a', 'b'] and left_out == {'of scenes in test': 2}
    with pytest.raises(ValueError, match=r"no image of .*test has a number by '(?:x)"):
        select(images('a'), **options | {'id_pattern': r'x(\d+)'})
    with pytest.raises(FileNotFoundError, match='gone does not exist .* set data_root'):
        select(images('a'), **options | {'exclude_ids_from': 'gone'})


def test_copies_by_content_whatever_they_are_called(tmp_path):
    (tmp_path / 'test').mkdir()
    contents = {'a.png': b'one', 'b.png': b'two', 'c.png': b'longer', 'test/x.png': b'two'}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    found = images('a', 'b', 'c', folder=tmp_path)
    for folders in ('test', ['gone', 'test']):
        kept = select(found, root=tmp_path, exclude_copies_of=folders)
        assert kept == (['a', 'c'], {'copies of test images': 1})
    assert select(found, root=tmp_path, exclude_copies_of='gone') == (['a', 'b', 'c'], {})


def test_an_allow_list_with_folders_suffixes_and_other_names(tmp_path):
    (tmp_path / 'list.txt').write_bytes(b'\xef\xbb\xbfsome/folder/a1.png\r\nb2\n\n gone.png \n')
    options = {'root': tmp_path, 'allow_list': 'list.txt'}
    kept, left_out = select(images('a1', 'b2', 'c'), **options)
    assert kept == ['a1', 'b2']
    assert left_out == {'in the allow-list, but not there': 1, 'not in the allow-list': 1}
    alias = [r'\w*(\d)_.*', r'b\1']
    assert select(images('scene2_x', 'b2'), **options, name_alias=alias)[0] == ['scene2_x', 'b2']
    for name, text in (('none.txt', 'does not exist'), ('', 'is a folder, no file')):
        with pytest.raises(FileNotFoundError, match=f'allow_list .* {text}'):
            select(images('a'), root=tmp_path, allow_list=tmp_path / name)
    (tmp_path / 'list.txt').write_bytes(b'\xff\xfe')
    with pytest.raises(ValueError, match='is no text file in UTF-8'):
        select(images('a'), **options)


def test_labels():
    found = [*images('a'), *images('b', label='snow'), *images('c', label='haze')]
    assert select(found, only='snow') == (['b'], {})
    assert select(found, only=['haze', 'rain'])[0] == ['a', 'c']
    with pytest.raises(ValueError, match="labelled 'hase'. Did you mean 'haze'"):
        select(found, only=['hase'])


def test_nothing_left_says_why():
    ids = {'first': 1, 'last': 9, 'pattern': r'(\d)'}
    with pytest.raises(ValueError, match='No image of place is left: 2 excluded by number'):
        select(images('1', '2'), exclude_ids=ids)


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'exclude_ids': {'first': 1, 'last': 2}}, 'exclude_ids needs `pattern`'),
        ({'exclude_ids_from': 'a'}, 'exclude_ids_from needs `id_pattern`'),
        ({'id_pattern': '('}, 'id_pattern'),
        ({'id_pattern': 'no group'}, 'id_pattern'),
        ({'name_alias': ['(a)', r'\2']}, 'name_alias'),
        ({'only': 3}, 'only=3 must be a label, or several'),
    ],
)
def test_rules_that_say_nothing(options, said):
    with pytest.raises(ValueError, match=said):
        ImageSelection(**options)


def test_names_for_messages():
    assert first_names(['a', 'b', 'c']) == 'a, b, c' and first_names(list('abcd')) == 'a, b, c, ...'
