"""What was found in a source of pairs, for the log."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from mmengine.logging import print_log

from irbox.datasets.pairs.pair_list import Part


def report_source(part: Part, left_out: Mapping[str, int], differences: Sequence[str]) -> str:
    """Log what was found, what is not as published and what speaks against it; return the first."""
    source, pairs = part.source, part.pairs
    counts = sorted(Counter(part.labels().tolist()).items())
    found = ', '.join(f'{label} {count:,}' for label, count in counts)
    number = len(pairs) * source.repeat
    without = ''.join(f'; {count:,} {reason}' for reason, count in left_out.items() if count)
    times = f', {source.repeat} times' if source.repeat > 1 else ''
    text = f'Data source {source.name}: {number:,} pairs ({found}{times}{without})'
    print_log(text, logger='current')
    for sentence in [*differences, *source.half.objections()]:
        print_log(sentence, logger='current', level=logging.WARNING)
    return text
