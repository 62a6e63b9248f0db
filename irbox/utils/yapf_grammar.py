"""Safe writing of the grammar that yapf, which mmengine's configs import, keeps in a file."""

from __future__ import annotations

import pickle
from typing import Any

from irbox.utils.files import atomic_write


def write_grammar_whole() -> None:
    """Let yapf write its grammar's file as a whole or not at all.

    The first import of yapf on a machine writes it. yapf 0.43 gives the file its name before the
    content has left its buffer: another process that starts at the same moment, such as one of
    several on a machine, ends with ``EOFError``. Must be called before mmengine is imported.
    """
    try:
        from yapf_third_party._ylib2to3.pgen2.grammar import Grammar
    except ImportError:
        return  # another version's own affair

    def dump(self: Any, filename: str) -> None:
        with atomic_write(filename) as file:
            pickle.dump(vars(self), file, pickle.HIGHEST_PROTOCOL)

    Grammar.dump = dump
