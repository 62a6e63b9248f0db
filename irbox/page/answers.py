"""What answers the buttons of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from irbox.page.desk import Desk, pack
from irbox.page.inside_answers import InsideAnswers
from irbox.page.messages import (
    cancelled_told,
    nothing_new,
    reasons,
    session_of,
    status_of,
    told,
)
from irbox.page.pair import show_pair
from irbox.page.preview import preview_part
from irbox.page.steps import Finished
from irbox.page.turns import Cancelled
from irbox.page.views import view
from irbox.page.visitors import Visitor
from irbox.pictures import read_picture
from irbox.restore.batch.job import Outcome
from irbox.restore.batch.settings import Settings

ALONE = 'none'
"""In place of a second model."""
SHOWN = 1600
"""Longest side of the picture that is clicked on."""
PROGRESS = gr.Progress()


class Answers:
    """Answers the buttons of the page.

    Args:
        desk: That does the work.
        parts: The page's components, by name.
        weights: Name of a degradation -> its bar.
        examples: Pictures to try.
    """

    def __init__(
        self,
        desk: Desk,
        parts: Mapping[str, Any],
        weights: Mapping[str, Any],
        examples: Sequence[Path],
    ) -> None:
        self.desk, self.parts, self.weights, self.examples = desk, parts, weights, examples
        self.inside = InsideAnswers(desk, parts)

    def example(self, index: int) -> list[str]:
        """Put an example where pictures are dropped."""
        return [str(self.examples[index])]

    def look(self, given: Mapping[Any, Any]) -> dict[Any, Any]:
        """Show the first of the pictures, or say what is wrong with one before any work."""
        files = self._files(given)
        parts = self.parts
        if not files:
            return {parts['picture']: gr.update(value=None, visible=False), parts['status']: ''}
        try:
            self.desk.limits.check_number(files)
            for file in files:
                self.desk.limits.check(file)
            picture = read_picture(files[0])
        except (ValueError, OSError) as error:
            raise told(error, files) from error
        width, height = picture.size
        shown = gr.update(value=view(picture, picture.pixels, SHOWN), visible=True)
        return {parts['picture']: shown, parts['status']: f'{width}x{height} pixels'}

    def restore(
        self, given: Mapping[Any, Any], request: gr.Request, progress: gr.Progress = PROGRESS
    ) -> dict[Any, Any]:
        """Restore all pictures and show the first."""
        files = self._files(given)
        session = session_of(request)

        def say(share: float, text: str) -> None:
            progress(share, desc=text)

        with cancelled_told(), self.desk.visitors.working(session) as visitor:
            try:
                outcomes = self.desk.restore(
                    visitor,
                    files,
                    self._settings(given),
                    self._of(given, 'model'),
                    self._of(given, 'device'),
                    say,
                )
            except (ValueError, OSError) as error:
                raise told(error, files) from error
            if visitor.stop.is_set():
                raise Cancelled
            self._beside(visitor, files, given, outcomes, say)
            failed = [one for one in outcomes if one.status == 'failed']
            if not visitor.done:
                raise gr.Error(reasons(failed), print_exception=False)
            if failed:
                gr.Warning(reasons(failed))
            return self._result(visitor, 0, failed)

    def _beside(
        self,
        visitor: Visitor,
        files: Sequence[Path],
        given: Mapping[Any, Any],
        outcomes: list[Outcome],
        say: Any,
    ) -> None:
        """The same pictures by the second of two models; what fails there is said, too."""
        second = self._of(given, 'beside')
        if second in (None, ALONE, self._of(given, 'model')):
            return
        try:
            done = self.desk.restore(
                visitor,
                files,
                self._settings(given, second),
                second,
                self._of(given, 'device'),
                lambda share, text: say(share, f'{text}, by {second}'),
                beside=True,
            )
        except (ValueError, OSError) as error:
            # No error: the first of the models has answered.
            gr.Warning(str(told(error, files).message))
            return
        if visitor.stop.is_set():
            raise Cancelled
        broken = {one.job.source.name for one in outcomes if one.status == 'failed'}
        outcomes += [
            one for one in done if one.status == 'failed' and one.job.source.name not in broken
        ]

    def cancel(self, request: gr.Request) -> str:
        """End what is computed for this visitor, within a tile."""
        self.desk.visitors.cancel(session_of(request))
        return 'Cancelled.'

    def leave(self, request: gr.Request) -> None:
        """End the work of a visitor who has closed or reloaded the page, and delete the files."""
        self.desk.visitors.leave(session_of(request))

    def show(self, given: Mapping[Any, Any], request: gr.Request) -> dict[Any, Any]:
        """Show another of the restored pictures."""
        visitor = self.desk.visitors.of(session_of(request))
        return self._result(visitor, self._chosen(given, visitor), [])

    def strength(self, given: Mapping[Any, Any], request: gr.Request) -> dict[Any, Any]:
        """Show all restored pictures at another strength, without the network."""
        visitor = self.desk.visitors.of(session_of(request))
        if not visitor.done or not visitor.work.acquire(blocking=False):
            # Nothing yet, or at work: the page asks again behind the answer.
            return nothing_new()
        try:
            value = float(self._of(given, 'strength'))
            if all(one.settings.strength == value for one in [*visitor.done, *visitor.beside]):
                return nothing_new()
            visitor.done[:] = [one.at(value) for one in visitor.done]
            visitor.beside[:] = [one.at(value) for one in visitor.beside]
            shown = self._result(visitor, self._chosen(given, visitor), [])
        finally:
            visitor.work.release()
        return {
            self.parts[name]: shown[self.parts[name]]
            for name in ('slider', 'download', 'archive', 'pair', 'other')
        }

    def preview(
        self,
        given: Mapping[Any, Any],
        where: gr.SelectData,
        request: gr.Request,
        progress: gr.Progress = PROGRESS,
    ) -> dict[Any, Any]:
        """Restore the part that was clicked on, knowing the whole picture."""
        return self._part(given, (where.index[0], where.index[1]), request, progress)

    def again(
        self, given: Mapping[Any, Any], request: gr.Request, progress: gr.Progress = PROGRESS
    ) -> dict[Any, Any]:
        """Restore the part anew that is shown, where the bars say something else than before.

        What fails is told, and no error: a browser forgets what waits behind one that fails, here
        the bar that was moved meanwhile.
        """
        files = self._files(given)
        part = self.desk.visitors.of(session_of(request)).part
        if part is None or files[:1] != [part[0]]:
            return nothing_new()
        try:
            settings = self._settings(given)
            said = settings.degradations
            if settings == part[2] or (said is not None and not any(said.values())):
                return nothing_new()
            return self._part(given, part[1], request, progress)
        except (gr.Error, ValueError) as error:
            gr.Warning(str(error.message if isinstance(error, gr.Error) else error))
            return nothing_new()

    def _part(
        self,
        given: Mapping[Any, Any],
        point: tuple[int, int],
        request: gr.Request,
        progress: gr.Progress,
    ) -> dict[Any, Any]:
        files, parts = self._files(given), self.parts
        try:
            with self.desk.visitors.working(session_of(request), fresh=False) as visitor:
                self.desk.limits.check(files[0])
                model = self.desk.shelf.get(self._of(given, 'model'), self._of(given, 'device'))
                settings = self._settings(given)
                done = preview_part(
                    model,
                    files[0],
                    settings,
                    point,
                    SHOWN,
                    visitor.stop,
                    self.desk.turns,
                    lambda share, text: progress(share, desc=text),
                )
                visitor.part = files[0], point, settings
        except Cancelled:
            # No error: the button has said that it was pressed.
            return nothing_new()
        except (ValueError, OSError) as error:
            raise told(error, files) from error
        return {
            parts['slider']: (done.before, done.after),
            parts['status']: done.text,
            parts['beliefs']: _bars(done.beliefs),
        }

    def _of(self, given: Mapping[Any, Any], name: str) -> Any:
        return given[self.parts[name]]

    def _files(self, given: Mapping[Any, Any]) -> list[Path]:
        return [Path(one) for one in self._of(given, 'files') or ()]

    def _settings(self, given: Mapping[Any, Any], model: str | None = None) -> Settings:
        """What is asked for; of the bars, those of the model's own words: the chosen one's."""
        weights = None
        if self._of(given, 'steer'):
            names = self.desk.shelf.get(model or self._of(given, 'model')).card.degradations
            # A field that somebody has just emptied has no number.
            weights = {name: float(given[self.weights[name]] or 0) for name in names}
        return self.desk.settings(self._of(given, 'tile'), self._of(given, 'strength'), weights)

    def _chosen(self, given: Mapping[Any, Any], visitor: Visitor) -> int:
        number = self._of(given, 'chooser')
        return number if isinstance(number, int) and number < len(visitor.done) else 0

    def _result(self, visitor: Visitor, number: int, failed: Sequence[Outcome]) -> dict[Any, Any]:
        parts, all_done = self.parts, visitor.done
        if not all_done:
            return {parts['status']: 'There is nothing restored yet.'}
        done: Finished = all_done[number]
        target = done.job.target
        several = len(all_done) > 1
        archive = gr.update(visible=False)
        if several:
            path = pack(all_done, visitor.folder / 'restored.zip')
            archive = gr.update(value=str(path), visible=True)
        names = [(one.job.source.name, index) for index, one in enumerate(all_done)]
        return {
            parts['slider']: (str(done.views.before), str(done.views.after)),
            parts['status']: status_of(done, failed),
            parts['chooser']: gr.update(choices=names, value=number, visible=several),
            parts['download']: gr.update(
                value=str(target), label=f'Download {target.name}', visible=True
            ),
            parts['archive']: archive,
            parts['beliefs']: _bars(done.report.steered or done.report.degradations),
            parts['difference']: gr.update(value=str(done.views.difference), visible=True),
            **show_pair(parts, done, visitor.beside),
        }


def _bars(beliefs: Mapping[str, float]) -> Any:
    return gr.update(value=dict(beliefs) or None, visible=bool(beliefs))
