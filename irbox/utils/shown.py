"""Names of files as messages show them."""

from __future__ import annotations


def shown(text: object) -> str:
    r"""Write on one line, without what would move a terminal: names of files may hold anything.

    Bytes that are no UTF-8, which Python keeps as lone surrogates, are written as escapes, too, so
    that every stream and file takes the text.

    Example:
        >>> shown('two\nlines')
        'two\\nlines'
    """
    return ''.join(one if one.isprintable() else ascii(one)[1:-1] for one in str(text))
