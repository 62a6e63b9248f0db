"""What the page says of mistakes, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from irbox.restore.batch.job import Outcome


def session_of(request: gr.Request) -> str:
    """Name the session of a request."""
    return str(request.session_hash)


def reasons(failed: Sequence[Outcome]) -> str:
    """Say of each picture why it failed, a line each."""
    return '\n'.join(f'{one.job.source.name}: {one.reason}' for one in failed)


def told(error: Exception, files: Sequence[Path]) -> gr.Error:
    """Give the message of a mistake to the page, without where files lie here."""
    text = str(error)
    for file in files:
        text = text.replace(str(file), file.name)
    return gr.Error(text, print_exception=False)
