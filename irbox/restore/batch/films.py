"""Videos among the inputs of ``irbox restore``: one after the other, each by itself."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from irbox.restore.batch.check_targets import Existing
from irbox.restore.batch.job import Job, Outcome
from irbox.restore.batch.list_jobs import Listing, list_jobs, names_a_file
from irbox.restore.batch.run_batch import failing
from irbox.restore.options import Options
from irbox.restore.restoration_model import RestorationModel
from irbox.restore.video import EXTENSIONS, is_video, restore_video

OF_PICTURES = ('ray', 'compare', 'format', 'quality', 'strip', 'done_list', 'report')
"""Options that mean nothing for a video, and would be passed over in silence."""


def list_films(args: argparse.Namespace, existing: Existing) -> Listing | None:
    """Decide which video becomes which; None where the inputs are no videos.

    Raises:
        ValueError, OSError: Videos stand among pictures, an option is for pictures, or as in
            ``list_jobs``.
    """
    films = [one for one in args.inputs if is_video(one)]
    if not films:
        return None
    others = [one for one in args.inputs if one not in films]
    if others:
        raise ValueError(f'Restore videos and pictures apart: {films[0]} and {others[0]}.')
    for name in OF_PICTURES:
        if getattr(args, name):
            raise ValueError(
                f'--{name.replace("_", "-")} is for pictures, and {films[0]} is a video: leave it '
                'out.'
            )
    if ',' in (args.model or ''):
        raise ValueError(f'--model {args.model}: several models draw sheets of pictures. Give one.')
    if args.out == '-':
        raise ValueError(f'--out -: {films[0]} is a video and needs a file. Name one.')
    if names_a_file(films, args.out) and not is_video(args.out):
        raise ValueError(
            f'--out {args.out} is neither a folder that exists nor the name of a video. Make the '
            f'folder, or end the name as one of {", ".join(EXTENSIONS)}.'
        )
    extensions = frozenset(Path(one).suffix.lower() for one in films)
    return list_jobs(films, args.out, suffix=args.suffix, existing=existing, extensions=extensions)


def restore_films(
    jobs: list[Job], model: RestorationModel, options: Options, say: Callable[[str], Any]
) -> list[Outcome]:
    """Restore videos; one that cannot be read never stops the rest.

    Args:
        jobs: Sources and targets.
        model: That restores.
        options: How each frame is restored.
        say: Told of each that is done.
    """
    outcomes = []
    for job in jobs:
        outcome = Outcome(job, 'restored')
        with failing(outcome):
            frames, outcome.seconds = restore_video(job.source, job.target, model, options)
            rate = frames / max(outcome.seconds, 1e-9)
            say(
                f'Restored {job.target}: {frames} frames in {outcome.seconds:.0f} s '
                f'({rate:.2g} a second).'
            )
        outcomes.append(outcome)
    return outcomes
