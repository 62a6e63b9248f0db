import platform
from pathlib import Path

import pytest

from irbox.utils.processor import processor_features, processor_name


@pytest.mark.parametrize(
    ('content', 'name'),
    [
        ('processor: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: Another', 'Some CPU @ 2 GHz'),
        ('processor: 0', 'from Python'),
        (None, 'from Python'),
    ],
)
def test_it_is_named_as_the_system_does(monkeypatch, content, name):
    def read(path, encoding):
        if content is None:
            raise FileNotFoundError
        return content

    monkeypatch.setattr(Path, 'read_text', read)
    monkeypatch.setattr(platform, 'processor', lambda: 'from Python')
    assert processor_name() == name


def test_processors_without_a_name_are_told_apart(monkeypatch):
    found = set()
    for features in ('fp asimd crc32', 'fp asimd sve bf16'):
        text = f'processor\t: 0\nBogoMIPS\t: 243\nFeatures\t: {features}\nCPU part\t: 0xd0c\n'
        monkeypatch.setattr(Path, 'read_text', lambda *_, text=text, **__: 2 * text)
        found.add(processor_features())
    assert len(found) == 2
