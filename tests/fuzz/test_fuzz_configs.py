"""Every shipped config with values of other kinds, other keys and another structure."""

import re

import pytest

from irbox.config.check_config import SECTIONS, check_config
from irbox.config.load_config import load_config
from irbox.engine.prepare import prepare_training
from support.fuzz import changed, fuzz
from support.paths import ROOT, TINY

SHIPPED = sorted(ROOT.glob('configs/*.py')) + sorted(ROOT.glob('configs/plugins/*.yaml'))


@pytest.mark.parametrize('path', [TINY, *SHIPPED], ids=lambda path: path.stem)
def test_the_check_passes_or_names_a_place(path):
    def check(content):
        # As from a file: whose top level is names.
        content = {str(key): value for key, value in content.items()}
        try:
            check_config(content)
        except ValueError as error:
            place, _, text = str(error).partition(':')
            assert text, error
            known = place.split('.')[0] in {*SECTIONS, *content}
            assert known or re.match(r'[\w.]+$', place), error

    fuzz(check, changed(load_config(path).to_dict()), examples=4)


def test_what_passes_is_built_or_refused(tmp_path, monkeypatch):
    """The tiny config alone: whatever its sections hold by then, nothing but ValueError and kin."""
    monkeypatch.chdir(tmp_path)
    whole = load_config(TINY).to_dict()

    def check(content):
        (tmp_path / 'a.yaml').write_text('{}')
        config = load_config(tmp_path / 'a.yaml')
        config.merge_from_dict({str(key): value for key, value in content.items()})
        config.work_dir = str(tmp_path / 'work')
        try:
            check_config(config)
            prepare_training(config)
        except (ValueError, ImportError, OSError) as error:
            assert str(error)
        assert not (tmp_path / 'work').exists()

    fuzz(check, changed(whole), examples=20)
