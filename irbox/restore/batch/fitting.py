"""The name of an answer, true to the format that is written."""

from __future__ import annotations

from dataclasses import replace

from irbox.pictures import Picture, output_suffix
from irbox.restore.batch.job import STANDARD_STREAM, Job, Outcome


def fitting(job: Job, picture: Picture, format: str, outcome: Outcome, overwrite: bool) -> Job:
    """Name the target for the format that is written.

    A file may be of another format than its name says; its answer then gets a name that is true.

    Args:
        job: As it was listed.
        picture: What was read.
        format: Which one is asked for, as for ``write_picture``.
        outcome: Gets a note where the name changes.
        overwrite: Whether a file under the true name may be replaced.

    Raises:
        FileExistsError: It is there and may not be.
    """
    if job.target == STANDARD_STREAM:
        return job
    suffix = output_suffix(picture.format, format, job.target.suffix)
    if suffix == job.target.suffix:
        own = output_suffix(picture.format, 'keep', job.source.suffix)
        if own != job.source.suffix != '' and format == 'keep':
            outcome.notes.append(f'It is a {picture.format} file by content, and named so now.')
        return job
    target = job.target.with_suffix(suffix)
    if target.exists() and not overwrite:
        raise FileExistsError(
            f'{job.source} is a {picture.format} file by its content, and {target} exists. Add '
            '--overwrite, or choose --out.'
        )
    outcome.notes.append(f'Written as {target.name}: it is a {picture.format} file by content.')
    return replace(job, target=target)
