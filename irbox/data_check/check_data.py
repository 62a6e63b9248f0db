"""Looking at all files of a config's data sets, and saying everything that is wrong at once."""

from __future__ import annotations

from collections.abc import Callable

from mmengine.config import Config

from irbox.data_check.checked_set import SECTIONS, find_sets
from irbox.data_check.leaks import check_contents
from irbox.data_check.report import Report
from irbox.data_check.scenes import check_scenes
from irbox.data_check.sizes import check_sizes
from irbox.data_check.unused import check_unused
from irbox.datasets.file_facts import read_facts

Progress = Callable[[int, int], None]


def check_data(
    config: Config, deep: bool = False, progress: Progress = lambda done, total: None
) -> Report:
    """Check the data sets of a config: training, validation and test.

    Args:
        config: As ``load_config`` gives it.
        deep: Decode every image instead of reading its header. Then copies are found by their
            pixels instead of by the bytes of their files.
        progress: Called with how many files have been read, and how many there are.

    Raises:
        ValueError: The config names no data.
    """
    if all(config.get(section) is None for section in SECTIONS):
        raise ValueError(
            f'The config has none of {", ".join(SECTIONS)}: there is no data to check.'
        )
    sets, findings = find_sets(config)
    files = list(
        dict.fromkeys(
            path
            for checked in sets
            for source in checked.sources
            for pair in source.pairs
            for path in (pair.degraded, pair.clean)
        )
    )
    done = 0

    def advance(number: int) -> None:
        nonlocal done
        done += number
        progress(done, len(files))

    facts = read_facts(files, deep, advance)
    for checked in sets:
        findings += [*check_unused(checked), *check_sizes(checked, facts)]
    findings += check_contents(sets, facts)
    findings += check_scenes(sets)
    return Report(sets, facts, findings, deep)
