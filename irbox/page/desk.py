"""What a page does for its visitors, whatever they look at it with."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from irbox.page.limits import Limits
from irbox.page.presence import Presence
from irbox.page.shelf import Shelf
from irbox.page.steps import Finished, PageSteps, Say
from irbox.page.turns import Turns
from irbox.page.visitors import Visitor, Visitors
from irbox.pictures import EXTENSIONS
from irbox.restore.batch.job import Job, Outcome
from irbox.restore.batch.list_jobs import SUFFIX, list_jobs
from irbox.restore.batch.run_batch import run_batch
from irbox.restore.batch.settings import Settings


class Desk:
    """Restores what visitors bring.

    Args:
        shelf: Its models.
        limits: What visitors may ask for.
        root: A folder of the page's own, which is deleted with it.
        precision: As for the command.
    """

    def __init__(self, shelf: Shelf, limits: Limits, root: Path, precision: str = 'auto') -> None:
        self.shelf, self.limits, self.precision = shelf, limits, precision
        self.turns = Turns(limits.waiting)
        root.mkdir(exist_ok=True)
        self.visitors = Visitors(root, limits.minutes * 60)
        self.presence = Presence()

    def settings(
        self,
        tile: str = 'auto',
        strength: float = 1.0,
        degradations: Mapping[str, float] | None = None,
    ) -> Settings:
        """Give what the command would read from its options.

        Args:
            tile: ``auto``, ``none``, or the largest side in pixels.
            strength: 0 to 1.
            degradations: Name -> weight, in place of what the model believes.

        Raises:
            ValueError: A value is none.
        """
        tile = str(tile).strip() or 'auto'
        if tile not in ('auto', 'none') and not (tile.isdecimal() and int(tile)):
            raise ValueError(f'Tile {tile!r}: give auto, none, or the largest side in pixels.')
        settings = Settings(
            tile=int(tile) if tile.isdecimal() else tile,
            precision=self.precision,
            # As numbers the command writes them: 1 and 1.0 are two texts in the file's record.
            strength=float(strength),
            degradations={name: float(one) for name, one in degradations.items()}
            if degradations
            else None,
        )
        settings.options()  # refuses a strength that is none
        return settings

    def restore(
        self,
        visitor: Visitor,
        files: Sequence[Path],
        settings: Settings,
        model: str | None = None,
        device: str | None = None,
        say: Say = lambda share, text: None,
        keep: bool = True,
        beside: bool = False,
    ) -> list[Outcome]:
        """Restore a visitor's files, each by itself: one that is broken stops no other.

        Args:
            visitor: Whose ``stop`` is heard and whose ``done`` is filled, or ``beside``.
            files: Uploaded.
            settings: How.
            model: See ``Shelf.get``.
            device: Likewise.
            say: Told how far the picture at hand is.
            keep: Whether views are drawn, too.
            beside: By the second of two models: what the first did stays.

        Returns:
            What became of each that was begun.

        Raises:
            ValueError: Nothing was begun; says why.
        """
        self.limits.check_number(files)
        restorer = self.shelf.get(model, device)
        kind = 'beside' if beside else 'done'
        jobs = [
            self._job(file, visitor.folder / f'{kind}{number}') for number, file in enumerate(files)
        ]
        numbers = {job: number for number, job in enumerate(jobs, 1)}
        steps = PageSteps(
            restorer, settings, self.limits, self.turns, visitor.stop, say, keep, jobs
        )
        outcomes = run_batch(jobs, steps, lambda outcome: None, visitor.stop)
        done: list[Finished] = visitor.beside if beside else visitor.done
        visitor.files = list(files)
        done[:] = sorted(steps.finished, key=lambda one: numbers[one.job])
        for outcome in outcomes:
            # Where it lies here is nobody's business.
            outcome.reason = outcome.reason.replace(
                str(outcome.job.source), outcome.job.source.name
            )
        return outcomes

    @staticmethod
    def _job(file: Path, folder: Path) -> Job:
        """The file in a folder of its own, and beside it the answer, named as by the command."""
        folder.mkdir(parents=True)
        own = folder / file.name
        shutil.copyfile(file, own)
        return list_jobs([own], folder, suffix=SUFFIX, extensions=EXTENSIONS).jobs[0]


def pack(done: Sequence[Finished], path: Path) -> Path:
    """Put all answers into one zip file, under names of their own."""
    taken: set[str] = set()
    with zipfile.ZipFile(path, 'w') as archive:  # pictures get no smaller
        for one in done:
            target, number = one.job.target, 2
            name = target.name
            while name in taken:
                name, number = f'{target.stem}_{number}{target.suffix}', number + 1
            taken.add(name)
            archive.write(target, name)
    return path
