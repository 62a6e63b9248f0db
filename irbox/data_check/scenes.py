"""Data sets whose file names tell the scene, so that training and test can be compared by them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from irbox.data_check.checked_set import CheckedSet
from irbox.data_check.finding import Finding, as_text


@dataclass(frozen=True)
class Scenes:
    """Names of a data set."""

    title: str
    pattern: str
    """Of whole names without suffix; the first group is the scene."""
    remedy: str
    of_tests: range = range(0)
    """Numbers of scenes that are in the published test set, whether it is at hand or not."""
    serious: bool = True


KNOWN = (
    Scenes(
        'Outdoor-Rain',
        r'im_(\d{4})(?:_s\d+_a\d+)?',
        "Set exclude_ids to {pattern: 'im_(\\d{4})_.*', first: 301, last: 350}, as the set "
        '`allweather` has it.',
        range(301, 351),
    ),
    Scenes(
        'RESIDE',
        r'(\d{4})_[\d.]+_[\d.]+',
        'The published protocol keeps them; exclude_ids_from leaves them out.',
        serious=False,
    ),
    Scenes('GoPro', r'(GOPR\d+_\d+_\d+)[_-]\d+(?:-\d)?', 'Take the sequences of the test set out.'),
)


def check_scenes(sets: Sequence[CheckedSet]) -> Iterator[Finding]:
    """Find training images of scenes that a test set shows."""
    for scenes in KNOWN:
        tested = {
            scene: checked.place
            for checked in sets
            if not checked.training
            for scene in _scenes(checked, scenes)
        }
        for checked in sets:
            if not checked.training:
                continue
            shared = {
                scene: files
                for scene, files in _scenes(checked, scenes).items()
                if scene in tested or (scene.isdecimal() and int(scene) in scenes.of_tests)
            }
            if not shared:
                continue
            files = [path for paths in shared.values() for path in paths]
            where = sorted({tested[scene] for scene in shared if scene in tested})
            test = f'of {", ".join(where)}' if where else 'that its published test set shows'
            yield Finding(
                'leak',
                checked.place,
                f'{len(files):,} training images are named for {len(shared):,} scenes of '
                f'{scenes.title} {test}.',
                as_text(files),
                scenes.remedy,
                scenes.serious,
            )


def _scenes(checked: CheckedSet, known: Scenes) -> dict[str, list[Path]]:
    expression = re.compile(known.pattern)
    found: dict[str, list[Path]] = {}
    for path in dict.fromkeys(pair.degraded for s in checked.sources for pair in s.pairs):
        # GoPro comes with a folder for each sequence, too: SEQUENCE/blur/000047.png.
        long = f'{path.parent.parent.name}_{path.stem}'
        if match := expression.fullmatch(path.stem) or expression.fullmatch(long):
            found.setdefault(match[1], []).append(path)
    return found
