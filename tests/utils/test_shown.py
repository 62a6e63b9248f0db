import os

from irbox.utils.shown import shown


def test_one_line_that_every_stream_takes():
    name = os.fsdecode(b'a\nb\x1b[2J\xff.png')
    assert shown(name) == r'a\nb\x1b[2J\udcff.png'
    shown(name).encode()
    assert shown('größe 名.png') == 'größe 名.png'
