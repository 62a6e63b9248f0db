"""Fuzzing by hypothesis: a few seeded examples in every run of the tests, more on request.

``FUZZ_SECONDS=600 pytest tests/fuzz/test_fuzz_plugins.py`` goes on with other seeds for ten minutes
a test. What fails is made as small as possible and shown with its seed.
"""

import os
import time
from itertools import count

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get('FUZZ_SECONDS', 0))
ODD_TEXTS = (
    '',
    'x',
    '..',
    '../x',
    '-1',
    'nan',
    'inf',
    '\n',
    'a b',
    '3',
    '\u202e',
    '%s{0}',
)


def fuzz(check, strategy, examples):
    """Call ``check`` with examples of a strategy; it raises what is found.

    Args:
        check: Takes an example.
        strategy: Of hypothesis.
        examples: How many of one seed.
    """
    started = time.monotonic()
    for number in count():
        options = settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        # A fresh function each time: hypothesis keeps its state on it.
        seed(number)(options(given(strategy)(lambda example: check(example))))()
        if time.monotonic() - started >= SECONDS:
            return


class Content(bytes):
    """What a file holds, with a short name."""

    def __repr__(self):
        return f'{len(self)} bytes beginning with {bytes(self[:40])!r}'


@st.composite
def damaged(draw, files):
    """Content of one of the files with bytes changed, left out, doubled, put in or cut off."""
    content = bytearray(draw(st.sampled_from(files)))
    for _ in range(draw(st.integers(1, 4))):
        if not content:
            break
        # Headers are where meaning is.
        last = len(content) - 1
        at = draw(st.one_of(st.integers(0, min(last, 80)), st.integers(0, last)))
        width = draw(st.sampled_from((1, 1, 1, 2, 4, 8, 30)))
        kind = draw(st.sampled_from(('set', 'set', 'set', 'out', 'twice', 'in', 'cut', 'other')))
        if kind == 'set':
            new = draw(st.one_of(st.binary(min_size=width, max_size=width), _numbers(width)))
            content[at : at + width] = new
        elif kind == 'out':
            del content[at : at + width]
        elif kind == 'twice':
            content[at:at] = content[at : at + width]
        elif kind == 'in':
            content[at:at] = draw(st.binary(max_size=width))
        elif kind == 'cut':
            del content[at:]
        else:
            content[at:] = draw(st.sampled_from(files))[at:]
    return Content(content)


def _numbers(width):
    """The least and the largest numbers of a width, in both orders of bytes."""
    values = sorted({0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), 2 ** (8 * width - 1) - 1})
    return st.builds(
        lambda value, order: value.to_bytes(width, order),
        st.sampled_from(values),
        st.sampled_from(('little', 'big')),
    )


odd_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 300),
        st.sampled_from((10**9, 10**30, -(10**18))),
        st.floats(),
        st.sampled_from(ODD_TEXTS),
        st.text(max_size=5),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=5), st.integers(-1, 3)), inner, max_size=3),
        st.builds(lambda value: {'type': value}, inner),
    ),
    max_leaves=6,
)
"""Values of any kind that YAML can hold."""


def places(value, keys=()):
    """All places in nested dicts and lists, from the outside in."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if keys or not str(key).startswith('_'):
            yield (*keys, key)
            if isinstance(item, (dict, list, tuple)):
                yield from places(item, (*keys, key))


def plain(value):
    """A copy of dicts and lists alone, which can be changed anywhere."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


@st.composite
def changed(draw, content):
    """A copy of nested dicts and lists with other values and keys at one to three places."""
    content = plain(content)
    for _ in range(draw(st.sampled_from((1, 1, 2, 3)))):
        every = list(places(content))
        if not every:
            break
        *before, last = draw(st.sampled_from(every))
        owner = content
        for key in before:
            owner = owner[key]
        kind = draw(
            st.sampled_from(('value', 'value', 'value', 'out', 'key', 'list', 'swap', 'up'))
        )
        if kind == 'value':
            owner[last] = draw(odd_values)
        elif kind == 'out':
            del owner[last]
        elif kind == 'key' and isinstance(owner, dict):
            owner[draw(st.one_of(st.sampled_from(ODD_TEXTS), st.just(f'{last}s')))] = owner.pop(
                last
            )
        elif kind == 'list':
            owner[last] = [owner[last]]
        elif kind == 'up' and isinstance(owner[last], (dict, list)) and owner[last]:
            owner[last] = next(
                iter(owner[last].values() if isinstance(owner[last], dict) else owner[last])
            )
        else:
            *other, key = draw(st.sampled_from(every))
            value = content
            for one in (*other, key):
                value = value[one]
            owner[last] = plain(value)
    return content
