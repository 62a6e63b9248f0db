"""The answers of two models side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from irbox.page.steps import Finished


def show_pair(
    parts: Mapping[str, Any], done: Finished, beside: Sequence[Finished]
) -> dict[Any, Any]:
    """Show both answers over each other, and give the second's file.

    Args:
        parts: The page's components, by name.
        done: The first's answer.
        beside: Those of the second, of all pictures that it restored.
    """
    # Of several pictures one may have failed with one of the models.
    folder = done.job.target.parent.name.replace('done', 'beside')
    second = next((one for one in beside if one.job.target.parent.name == folder), None)
    pair, other = parts['pair'], parts['other']
    if second is None:
        return {pair: gr.update(value=None, visible=False), other: gr.update(visible=False)}
    names = f'{done.model.name} and {second.model.name}'
    return {
        pair: gr.update(
            value=(str(done.views.after), str(second.views.after)),
            label=f'{names}, side by side',
            visible=True,
        ),
        other: gr.update(
            value=str(second.job.target), label=f'That of {second.model.name}', visible=True
        ),
    }
