import math
import sys

import pytest

from irbox.utils.optional import folder_of, require


def test_a_module_that_is_there():
    assert require('math', needed_by='counting') is math


@pytest.mark.parametrize(('package', 'installed'), [(None, 'no_such.part'), ('a-name', 'a-name')])
def test_what_is_missing_is_named_with_the_need_and_the_remedy(package, installed):
    with pytest.raises(ImportError) as caught:
        require('no_such.part', package=package, needed_by='Counting')
    assert str(caught.value).startswith("Counting needs no_such.part (No module named 'no_such'). ")
    assert str(caught.value).endswith(f' with: pip install {installed}')


def test_a_package_that_lacks_what_it_needs_itself_says_so(tmp_path, monkeypatch):
    (tmp_path / 'half_there.py').write_text('import its_own_need\n')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match='Counting needs half_there .*its_own_need'):
        require('half_there', needed_by='Counting')
    assert 'half_there' not in sys.modules


def test_the_folder_of_a_package_without_importing_it(tmp_path, monkeypatch):
    (tmp_path / 'whole').mkdir()
    (tmp_path / 'whole' / '__init__.py').write_text('raise RuntimeError\n')
    monkeypatch.syspath_prepend(tmp_path)
    assert folder_of('whole', 'a-name', needed_by='Counting') == tmp_path / 'whole'
    for missing in ('no_such', 'math'):  # a module alone has no files
        with pytest.raises(ImportError, match=f'Counting needs {missing}.* pip install a-name'):
            folder_of(missing, 'a-name', needed_by='Counting')
