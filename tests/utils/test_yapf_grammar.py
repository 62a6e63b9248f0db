import os
import pickle
import subprocess
import sys

from irbox.utils.yapf_grammar import write_grammar_whole

FIRST = """
import os, pickle, sys
from pathlib import Path
rename = os.rename
def look(source, target, *rest, **named):
    pickle.loads(Path(source).read_bytes())
    rename(source, target, *rest, **named)
    print(Path(target).name)
os.rename = os.replace = look
{before}
import mmengine.config
"""


def first_import(cache, before):
    """Import mmengine for the first time on a machine; say what was whole when it got its name."""
    return subprocess.run(
        [sys.executable, '-c', FIRST.format(before=before)],
        capture_output=True,
        text=True,
        env=os.environ | {'XDG_CACHE_HOME': str(cache)},
        check=False,
    )


def test_the_grammar_is_whole_before_it_has_its_name(tmp_path):
    before = 'from irbox.utils.yapf_grammar import write_grammar_whole; write_grammar_whole()'
    ran = first_import(tmp_path, before)
    assert ran.returncode == 0, ran.stderr
    files = sorted(path.name for path in tmp_path.rglob('*') if path.is_file())
    assert sorted(ran.stdout.split()) == files
    assert len(files) == 2
    again = first_import(tmp_path, before)
    assert (again.returncode, again.stdout) == (0, '')


def test_commands_write_it_so_before_they_import_anything(tmp_path):
    ran = first_import(
        tmp_path,
        'from irbox.commands.main import command_module; command_module("doctor")',
    )
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.split()) == 2


def test_what_is_written_is_what_yapf_reads(tmp_path):
    from yapf_third_party._ylib2to3.pgen2.grammar import Grammar

    write_grammar_whole()
    written, read = Grammar(), Grammar()
    written.keywords = {'with': 3}
    written.dump(str(tmp_path / 'grammar.pickle'))
    read.load(str(tmp_path / 'grammar.pickle'))
    assert vars(read) == vars(written)
    assert pickle.loads((tmp_path / 'grammar.pickle').read_bytes()) == vars(written)
