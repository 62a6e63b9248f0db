"""The addresses of the page for Gradio's clients."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import gradio as gr

from irbox.page.desk import Desk
from irbox.page.messages import told


def add_api(desk: Desk) -> None:
    """Add ``/restore`` and ``/models`` to the page that is being built; nobody sees them on it.

    Args:
        desk: That restores.
    """

    def restore(
        file: str,
        model: str = '',
        device: str = 'auto',
        tile: str = 'auto',
        strength: float = 1.0,
        degradations: dict[str, float] | None = None,
    ) -> tuple[str, dict[str, Any]]:
        """Restore one picture: the file that ``irbox restore`` writes, and what was believed."""
        if not file:
            raise gr.Error('There is no file: give one by handle_file.', print_exception=False)
        # A visitor of one call: a program may make several at once.
        session = f'api {uuid.uuid4()}'
        try:
            with desk.visitors.working(session) as visitor:
                settings = desk.settings(tile, strength, degradations)
                outcome = desk.restore(visitor, [Path(file)], settings, model, device, keep=False)[
                    0
                ]
        except (ValueError, OSError) as error:
            raise told(error, [Path(file)]) from error
        finally:
            desk.visitors.leave_soon(session)
        if outcome.status == 'failed':
            raise gr.Error(outcome.reason, print_exception=False)
        report = next(iter(outcome.details.values())) | {'notes': outcome.notes}
        return str(outcome.job.target), report

    def models() -> dict[str, list[str]]:
        """List the models of this page, each with the degradations that it tells apart."""
        return {name: list(desk.shelf.get(name).card.degradations) for name in desk.shelf.names}

    with gr.Row(visible=False):
        given = [
            gr.File(label='file'),
            gr.Textbox('', label='model'),
            gr.Textbox('auto', label='device'),
            gr.Textbox('auto', label='tile'),
            gr.Number(1.0, label='strength'),
            gr.JSON(label='degradations'),
        ]
        answer = [gr.File(label='restored'), gr.JSON(label='report')]
        button, listing, known = gr.Button(), gr.Button(), gr.JSON(label='models')
    button.click(restore, given, answer, api_name='restore', concurrency_limit=None)
    listing.click(models, None, known, api_name='models', concurrency_limit=None)
