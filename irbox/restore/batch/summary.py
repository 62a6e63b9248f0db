"""What became of a batch, for the terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from irbox.restore.batch.job import Outcome
from irbox.utils.shown import shown

SHOWN = 20
"""Failures that are listed; a report lists all."""


def exit_code(outcomes: Sequence[Outcome], not_begun: int) -> int:
    """Give 0 where all is done, 1 where some failed or were not begun, 2 where nothing was done."""
    failed = sum(one.status == 'failed' for one in outcomes)
    if outcomes and failed == len(outcomes):
        return 2
    return 1 if failed or not_begun else 0


def summary(outcomes: Sequence[Outcome], skipped: int, not_begun: int, seconds: float) -> str:
    """Say in a few lines what was done, what failed and why, and what is worth knowing.

    Args:
        outcomes: Of the jobs that were begun.
        skipped: Pictures whose answers existed.
        not_begun: Pictures that an interruption left.
        seconds: From the first to the last.
    """
    return '\n'.join(_lines(outcomes, skipped, not_begun, seconds))


def _lines(
    outcomes: Sequence[Outcome], skipped: int, not_begun: int, seconds: float
) -> Iterator[str]:
    done = [one for one in outcomes if one.status == 'restored']
    failed = [one for one in outcomes if one.status == 'failed']
    megapixels = sum(one.megapixels for one in done)
    rate = f', {megapixels / seconds:.3g} a second' if seconds > 0 and megapixels else ''
    yield f'Restored {len(done)} of {len(outcomes) + not_begun}: {megapixels:.3g} megapixels{rate}.'
    if skipped:
        yield f'{skipped} had an answer already.'
    if not_begun:
        yield f'{not_begun} were not begun.'
    by_note: dict[str, list[Outcome]] = defaultdict(list)
    for one in done:
        for note in one.notes:
            by_note[note].append(one)
    for note, those in by_note.items():
        more = f' and {len(those) - 1} more' if len(those) > 1 else ''
        yield f'Note: {shown(those[0].job.source)}{more}: {shown(note)}'
    for one in failed[:SHOWN]:
        yield f'Failed: {shown(one.job.source)}: {shown(one.reason)}'
    if len(failed) > SHOWN:
        yield f'... and {len(failed) - SHOWN} more failed; --report FILE.json lists all.'
