import pytest

from support.many_inputs import READERS, run


@pytest.mark.parametrize('reader', READERS)
def test_damaged_files_are_read_or_refused(reader):
    number = 30 if reader == 'configs' else 100
    counts = run(reader, number, seed=7)
    assert counts['read'] and counts['refused'] and sum(counts.values()) == number
