"""What the page says of mistakes, and to whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr

from irbox.page.steps import Finished
from irbox.page.turns import Cancelled
from irbox.restore.batch.job import Outcome


def session_of(request: gr.Request) -> str:
    """Name the session of a request."""
    return str(request.session_hash)


def nothing_new() -> dict[Any, Any]:
    """Give the answer that changes nothing: an empty one is a mistake to gradio."""
    return dict(gr.skip())


def reasons(failed: Sequence[Outcome]) -> str:
    """Say of each picture why it failed, a line each."""
    return '\n'.join(f'{one.job.source.name}: {one.reason}' for one in failed)


def told(error: Exception, files: Sequence[Path]) -> gr.Error:
    """Give the message of a mistake to the page, without where files lie here."""
    text = str(error)
    for file in files:
        text = text.replace(str(file), file.name)
    return gr.Error(text, print_exception=False)


@contextmanager
def cancelled_told() -> Iterator[None]:
    """Tell the page of work that was cancelled, in place of ``Cancelled``."""
    try:
        yield
    except Cancelled:
        raise gr.Error('Cancelled.', title='Cancelled', print_exception=False) from None


def status_of(done: Finished, failed: Sequence[Outcome]) -> str:
    """Say how a picture was restored, what is to be known of it, and which others failed."""
    report = done.report
    width, height = report.size[1], report.size[0]
    tiles = f'{report.tiles} tiles' if report.tiles > 1 else 'in one piece'
    lines = [
        f'{width}x{height} pixels, {report.seconds:.1f} s, {tiles}, {report.device}, '
        f'{report.precision.partition(":")[0]}, by {done.model.name}'
    ]
    return '\n\n'.join([*lines, *done.notes, *(reasons([one]) for one in failed)])
