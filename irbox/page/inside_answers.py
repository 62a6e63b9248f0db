"""What answers the buttons of the maps of experts and gates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from irbox.page.desk import Desk
from irbox.page.inside import Inside, look_inside
from irbox.page.messages import cancelled_told, nothing_new, session_of, told


class InsideAnswers:
    """Answers the buttons of the maps of experts and gates.

    Args:
        desk: With the models.
        parts: The page's components, by name.
    """

    def __init__(self, desk: Desk, parts: Mapping[str, Any]) -> None:
        self.desk, self.parts = desk, parts

    def look(self, given: Mapping[Any, Any], request: gr.Request) -> dict[Any, Any]:
        """Look at the chosen one of the pictures, by the chosen model."""
        parts = self.parts
        files = [Path(one) for one in given[parts['files']] or ()]
        number = given[parts['chooser']]
        working = self.desk.visitors.working(session_of(request), fresh=False)
        with cancelled_told(), working as visitor:
            try:
                if not files:
                    raise ValueError('Drop a picture first.')
                # Of what is restored: pictures that failed are not among them. Of files that were
                # dropped since then nothing is chosen yet.
                restored = visitor.done if visitor.files == files else []
                done = restored[number : number + 1] if isinstance(number, int) else []
                source = done[0].job.source if done else files[0]
                self.desk.limits.check(source)
                model = self.desk.shelf.get(given[parts['model']], given[parts['device']])
                visitor.inside = look_inside(model, source, self.desk.turns, visitor.stop)
            except (ValueError, OSError) as error:
                raise told(error, files) from error
            return self._shown(visitor.inside, None, None)

    def turn(self, given: Mapping[Any, Any], request: gr.Request) -> dict[Any, Any]:
        """Show another place or expert; the network does not run again."""
        inside = self.desk.visitors.of(session_of(request)).inside
        if inside is None:
            return nothing_new()
        return self._shown(inside, given[self.parts['place']], given[self.parts['expert']])

    def _shown(self, inside: Inside, place: str | None, choice: str | None) -> dict[Any, Any]:
        place = place if place in inside.places else inside.places[0]
        choices = inside.choices(place)
        choice = choice if choice in choices else next(iter(choices), None)
        return {
            self.parts['place']: gr.update(choices=inside.places, value=place, visible=True),
            self.parts['expert']: gr.update(choices=choices, value=choice, visible=bool(choices)),
            self.parts['overlay']: gr.update(value=inside.draw(place, choice), visible=True),
        }
