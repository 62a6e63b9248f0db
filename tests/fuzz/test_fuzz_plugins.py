"""Plug-ins whose lines are missing, doubled, exchanged or changed: loaded, or forgotten again."""

import contextlib
import io
import sys
import warnings

import pytest
from hypothesis import strategies as st

from irbox.config.plugins import load_plugins
from irbox.registry import our_registries
from support.fuzz import fuzz
from support.paths import ROOT

FILES = [
    ROOT / 'plugins/fourier_expert.py',
    ROOT / 'plugins/naf_block.py',
    ROOT / 'plugins/nafnet.py',
]


@st.composite
def other_lines(draw, text):
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        kind = draw(
            st.sampled_from(('out', 'out', 'twice', 'swap', 'character', 'indent', 'raise'))
        )
        if kind == 'out' and len(lines) > 1:
            del lines[at]
        elif kind == 'twice':
            lines.insert(at, lines[at])
        elif kind == 'swap':
            other = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 'indent':
            lines[at] = '    ' + lines[at]
        elif kind == 'raise':
            errors = ('SystemExit(3)', 'KeyError', 'RecursionError', "ImportError('x')", "''")
            lines[at] = f'raise {draw(st.sampled_from(errors))}'
        elif lines[at]:
            place = draw(st.integers(0, len(lines[at]) - 1))
            lines[at] = (
                lines[at][:place] + draw(st.sampled_from('(:\'"[x0\0')) + lines[at][place + 1 :]
            )
    return '\n'.join(lines)


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_lines(path, tmp_path):
    registries = our_registries()
    before = [dict(registry.module_dict) for registry in registries]
    number = iter(range(10**9))

    def check(text):
        # Names of its own: this process may have loaded the true one.
        own = tmp_path / f'own_{next(number)}.py'
        own.write_text(text.replace("'type'", "'kind'"))
        modules = set(sys.modules)
        try:
            with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter('ignore')
                load_plugins([own])
        except ImportError as error:
            assert own.name in str(error)
            assert [dict(registry.module_dict) for registry in registries] == before
            assert not {name for name in set(sys.modules) - modules if 'irbox_plugin_own' in name}
        finally:
            for registry, parts in zip(registries, before, strict=True):
                registry.module_dict.clear()
                registry.module_dict.update(parts)

    source = path.read_text()
    for name in {part.__name__ for one in before for part in one.values()}:
        source = source.replace(f'class {name}(', f'class {name}OfOurs(')
    fuzz(check, other_lines(source), examples=15)
