"""The table in a document."""

from irbox.sweeps.table import BEGIN, END, write_table


def test_what_stands_around_stays_as_it_is(tmp_path):
    """Other parts of a document may be generated, too, and end by the same mark."""
    path = tmp_path / 'doc.md'
    around = f'# Doc\n\n<!-- begin: toc -->\ntoc\n{END}\n\n{BEGIN}\n%s\n{END}\n\nTail {END}\n'
    path.write_text(around % 'old')
    for text in ('new', 'newer'):
        write_table(path, 'Title', text)
        assert path.read_text() == around % text
