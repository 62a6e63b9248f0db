"""Writing a bank of scenes: by several processes, and on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from irbox.datasets.scenes.scene_bank import (
    RECORD,
    check_size,
    generator_version,
    read_record,
    scene_file,
    scene_pixels,
)
from irbox.datasets.scenes.scene_generator import SceneGenerator, make_generator
from irbox.utils.files import atomic_write, check_writable, remove_leftovers, write_text


def write_bank(
    folder: str | Path, count: int, options: Mapping[str, Any], workers: int = 1
) -> Iterator[tuple[int, int]]:
    """Write the scenes of a bank that are not there yet.

    Scenes are written whole, and each is a pure function of the options and its number: a bank that
    was stopped and goes on is the same to the last bit as one that was not. It can be made longer.

    Args:
        folder: Of the bank; made if needed.
        count: How many scenes it is to hold.
        options: Of ``SceneGenerator``, ``size`` among them.
        workers: Processes.

    Yields:
        How many scenes are there, and of how many; first before anything is drawn.

    Raises:
        ValueError: The folder holds scenes of other options or another version of the generator, or
            more than ``count``.
        ChildProcessError: A process was killed.
    """
    folder = Path(folder).expanduser()
    check_size(make_generator(options, 'options').size, 'options')
    check_writable(folder)
    record = {'count': count, 'options': dict(options), 'generator': generator_version()}
    known = read_record(folder)
    if known is not None:
        for key in ('options', 'generator'):
            if known[key] != record[key]:
                raise ValueError(
                    f'{folder} holds scenes with {key} {known[key]}, asked for are '
                    f'{record[key]}. Choose another folder.'
                )
        if known['count'] > count:
            raise ValueError(
                f'{folder} is a bank of {known["count"]} scenes, asked for are {count}. Banks can '
                'be made longer, not shorter.'
            )
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    if known != record:
        write_text(folder / RECORD, json.dumps(record, indent=1))
    missing = [number for number in range(count) if not scene_file(folder, number).exists()]
    done = count - len(missing)
    yield done, count
    if not missing:
        return
    tasks = [(str(folder), json.dumps(options), number) for number in missing]
    if workers == 1:
        for task in tasks:
            _write_scene(task)
            done += 1
            yield done, count
        return
    pool = ProcessPoolExecutor(workers, get_context('spawn'), initializer=_one_thread)
    try:
        for future in as_completed([pool.submit(_write_scene, task) for task in tasks]):
            future.result()
            done += 1
            yield done, count
    except BrokenProcessPool as error:
        raise ChildProcessError(
            f'A process that drew scenes for {folder} was killed; {done} of {count} are there. The '
            'same command goes on; where memory was short, fewer --workers need less of it.'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _one_thread() -> None:
    """Keep the libraries from starting threads beside the other processes."""
    import cv2

    os.environ['OMP_NUM_THREADS'] = '1'
    cv2.setNumThreads(1)


def _write_scene(task: tuple[str, str, int]) -> None:
    folder, options, number = task
    scene = _generator(options).draw(number)
    with atomic_write(scene_file(Path(folder), number)) as file:
        np.save(file, scene_pixels(scene))


@cache
def _generator(options: str) -> SceneGenerator:
    return SceneGenerator(**json.loads(options))
