"""Inputs, answers and other files that are not there, meet each other, or would be written over."""

import os
from pathlib import Path

from support.tiny_model import photograph
from support.wrong_ways.way import Way, ways


def _png_named_jpg():
    Path('lies').mkdir()
    photograph(8, 8).save('lies/a.png')
    photograph(9, 9).save('lies/a.jpg', 'PNG')


def _two_that_lie():
    Path('lies').mkdir()
    for end in ('jpg', 'webp'):
        photograph(8, 8).save(f'lies/a.{end}', 'PNG')


def _two_with_one_sheet():
    Path('pair').mkdir()
    photograph(8, 8).save('pair/a.png')
    photograph(8, 8).save('pair/a.jpg')


def _named_as_a_sheet():
    Path('pair').mkdir()
    photograph(8, 8).save('pair/a.png')
    photograph(8, 8).save('pair/a_compare.png')


def _long_name():
    photograph(8, 8).save('n' * 250 + '.png')


def _one_folder_by_two_names():
    os.symlink('x', 'link')
    photograph(8, 8).save('x/a.webp')


def _linked_to_nothing():
    os.symlink('gone.png', 'dangling.png')


def _record(**settings):
    from irbox.pictures import read_picture, write_picture

    def make():
        picture = read_picture('a.png')
        write_picture(picture, picture.pixels, 'recorded.png', record={'settings': settings})

    return make


INPUTS = {
    'restore nope.png': ('nope.png', 'does not exist'),
    'restore a': ('a does not exist', 'a.png'),
    'restore nope/a.png': ('nope/a.png', 'does not exist'),
    'restore a.png/b.png': ('a.png/b.png', 'does not exist'),
    "restore '*.gif'": ('*.gif', 'No picture matches'),
    "restore '*.txt'": ('*.txt', 'No picture matches'),
    'restore empty': ('empty', 'no picture'),
    'restore words': ('words', 'no picture', 'passed over'),
    'restore above': ('above', 'Add --recursive'),
    'restore a.png nope.png': ('nope.png', 'does not exist'),
    'restore a.png -': ('-', 'stands alone'),
    'restore - -': ('-', 'stands alone'),
    "restore ''": ("''", 'IN'),
    'restore a.png clip.mp4': ('clip.mp4', 'apart'),
    'restore nope.mp4': ('nope.mp4', 'does not exist'),
}
ANSWERS = {
    'restore a.png b.jpg --out -': ('--out -', 'there are 2'),
    'restore a.png b.jpg --out text.txt': ('text.txt', 'folder'),
    'restore a.png --out b.jpg': ('b.jpg exists', '--overwrite'),
    'restore a.png --out .': ('a.png is an input', '--suffix'),
    "restore a.png --suffix ''": ('a.png is an input', '--overwrite'),
    "restore a.png --out ''": ("--out ''", 'folder'),
    'restore same --out out --format png': ('same/a.png', 'same/a.webp', 'out/a.png'),
    'restore x y --out out': ('x/a.png', 'y/a.png', 'out/a.png'),
    'restore x/a.png y/a.png --out out': ('x/a.png', 'y/a.png', 'out/a.png'),
    'restore x/a.png y/a.png --out out --overwrite': ('x/a.png', 'y/a.png', 'out/a.png'),
    'restore x/a.png y/a.png --out out --skip-existing': ('x/a.png', 'y/a.png', 'out/a.png'),
    'restore - --out tree': ('tree', 'file'),
    'restore - --out tree --overwrite': ('tree', 'file'),
    'restore a.png --out a.png/new': ('a.png/new', 'cannot be written', 'file'),
    'restore a.png --out /proc/new': ('/proc/new', 'cannot be written'),
    'restore a.png --out /dev/null': ('/dev/null', 'folder'),
}
BESIDE = {
    'restore a.png --mask nope.png': ('--mask nope.png', 'no such file'),
    'restore a.png --mask tree': ('--mask tree', 'no such file'),
    'restore a.png --task rain --steer-mask nope.png': ('--steer-mask nope.png', 'no such file'),
    'restore a.png --mask text.txt': ('text.txt', 'mask'),
    'restore a.png --compare --clean nope': ('--clean nope', 'does not exist'),
    'restore a.png --like b.jpg': ('b.jpg', 'no record'),
    'restore a.png --like nope.png': ('nope.png', 'does not exist'),
    'restore a.png --like tree': ('tree', 'folder'),
    'restore a.png --like text.txt': ('text.txt', 'no picture'),
    'restore a.png --report a.png': ('--report a.png', 'input'),
    'restore a.png --report a_restored.png': ('--report a_restored.png', 'answer'),
    'restore a.png --report text.txt': ('--report text.txt', 'no report', 'another name'),
    'restore a.png --report tree': ('--report tree', 'folder'),
    'restore a.png --report a.png/r.json': ('--report a.png/r.json', 'cannot be written'),
    'restore a.png --report r.json --done-list r.json': ('r.json', '--done-list'),
    'restore a.png --done-list a.png': ('--done-list a.png', 'an input'),
    'restore a.png --done-list text.txt': ('--done-list text.txt', 'no list'),
    'restore a.png --done-list tree': ('--done-list tree', 'folder'),
    'restore a.png --done-list a_restored.png': ('--done-list a_restored.png', 'answer'),
}
MADE = [
    Way('restore lies --out out', ('lies/a.jpg', 'lies/a.png', 'out/a.png'), _png_named_jpg),
    Way(
        'restore lies --out out --overwrite',
        ('lies/a.jpg', 'lies/a.png', 'out/a.png'),
        _png_named_jpg,
    ),
    Way(
        'restore lies --out new --overwrite',
        ('lies/a.jpg', 'lies/a.webp', 'new/a.png'),
        _two_that_lie,
    ),
    Way(
        'restore pair --out out --compare', ('out/a_compare.png', 'pair/a.jpg'), _two_with_one_sheet
    ),
    Way('restore pair --out new --compare', ('new/a_compare.png', 'pair/a'), _named_as_a_sheet),
    Way(
        'restore a.png --compare',
        ('a_restored_compare.png exists', '--overwrite'),
        lambda: photograph(8, 8).save('a_restored_compare.png'),
    ),
    Way(
        'restore nn.png'.replace('nn', 'n' * 250),
        ('name', 'too long', '--suffix'),
        _long_name,
        name='an answer with a name too long',
    ),
    Way(
        'restore x link --format png',
        ('a_restored.png', 'x/a.png', 'x/a.webp'),
        _one_folder_by_two_names,
    ),
    Way(
        'restore link/a.webp x/a.png --format png',
        ('a_restored.png', 'x/a.png'),
        _one_folder_by_two_names,
    ),
    Way('restore dangling.png', ('dangling.png', 'does not exist'), _linked_to_nothing),
    Way(
        'restore a.png --like recorded.png',
        ('recorded.png', "strength='much'"),
        _record(strength='much'),
        name='--like a record with a wrong strength',
    ),
    Way(
        'restore a.png --like recorded.png',
        ('recorded.png', "format='gif'"),
        _record(format='gif'),
        name='--like a record with a wrong format',
    ),
    Way(
        'verify a.png recorded.png',
        ('recorded.png', "tile='huge'"),
        _record(tile='huge'),
        name='verify a record with a wrong tile',
    ),
    Way(
        'verify a.png recorded.png',
        ('recorded.png', '--model'),
        _record(),
        bare=True,
        name='verify without --model',
    ),
]
PROCESSES = [
    Way(
        'restore a.png',
        ('--out FOLDER', '--done-list'),
        environment={'WORLD_SIZE': '2', 'RANK': '0'},
    ),
    Way('restore a.png', ('RANK', "'x'"), environment={'WORLD_SIZE': '2', 'RANK': 'x'}),
    Way('restore a.png --out out', ('RANK', '2'), environment={'WORLD_SIZE': '2', 'RANK': '2'}),
    Way(
        'restore a.png --out out', ('WORLD_SIZE', '0'), environment={'WORLD_SIZE': '0', 'RANK': '0'}
    ),
]
PLACES = [*ways(INPUTS), *ways(ANSWERS), *ways(BESIDE), *MADE, *PROCESSES]
