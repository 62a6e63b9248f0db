"""What to rename, or which pairing to use, where degraded images find no clean one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from irbox.datasets.pairs.image_folders import list_images, stem_of
from irbox.datasets.pairs.pairing_rule import Rule, pairing_rule

# Name patterns of published sets, tried before a rule is made up.
KNOWN: tuple[Rule, ...] = (
    'same_name',
    (r'(.+)_rain', r'\1_clean'),
    (r'rain-(\d+)', r'norain-\1'),
    (r'(im_\d+)_.*', r'\1'),
    (r'(\d+)_.*', r'\1'),
    'last_number',
)
# A rule is worth naming if it finds the clean image of so many of the images.
ENOUGH = 0.5
MOST_RENAMES = 5
# Looking for similar names takes time that grows with the number of names.
MOST_NAMES = 2000


def suggest_pairing(images: Sequence[tuple[Path, Path]]) -> str:
    """Say which rule or which renaming would pair images, if there is one.

    Args:
        images: Degraded files, each with the folder that should hold its clean image.

    Returns:
        A sentence, or nothing.
    """
    clean = {folder: list_images(folder) for folder in {folder for _, folder in images}}
    stems = {folder: {stem_of(name): name for name in names} for folder, names in clean.items()}
    for rule in (*KNOWN, *_made_up(images, stems)):
        found = _matches(rule, images, stems)
        if found >= max(1, ENOUGH * len(images)):
            shown = rule if isinstance(rule, str) else f"['{rule[0]}', '{rule[1]}']"
            return (
                f'Add {shown} to `pairing`: it finds the clean image of {found:,} of these '
                f'{len(images):,}.'
            )
    renames = _renames(images[:MOST_RENAMES], stems)
    return f'Perhaps rename {", ".join(renames)}.' if renames else ''


def _matches(
    rule: Rule, images: Iterable[tuple[Path, Path]], stems: Mapping[Path, Mapping[str, str]]
) -> int:
    """Count the images that a rule finds exactly one clean image for."""
    made = pairing_rule(rule)
    keys = {folder: Counter(map(made.clean_key, names)) for folder, names in stems.items()}
    wanted = ((made.degraded_key(stem_of(path.name)), folder) for path, folder in images)
    return sum(key is not None and keys[folder][key] == 1 for key, folder in wanted)


def _made_up(
    images: Sequence[tuple[Path, Path]], stems: Mapping[Path, Mapping[str, str]]
) -> list[Rule]:
    """Make up rules that exchange what is around the last number, the commonest first."""
    by_number: dict[tuple[Path, str], list[tuple[str, str]]] = {}
    for folder, names in stems.items():
        for name in names:
            if parts := _around_last_number(name):
                by_number.setdefault((folder, parts[1]), []).append((parts[0], parts[2]))
    exchanges: Counter[tuple[str, str, str, str]] = Counter()
    for path, folder in images:
        if parts := _around_last_number(stem_of(path.name)):
            for before, after in by_number.get((folder, parts[1]), ()):
                exchanges[parts[0], parts[2], before, after] += 1
    return [
        (rf'{re.escape(one)}(\d+){re.escape(two)}', _literal(three) + r'\1' + _literal(four))
        for (one, two, three, four), _ in exchanges.most_common(3)
    ]


def _around_last_number(stem: str) -> tuple[str, str, str] | None:
    match = re.fullmatch(r'(.*?)(\d+)(\D*)', stem)
    return (match[1], match[2], match[3]) if match else None


def _literal(text: str) -> str:
    return text.replace('\\', r'\\')


def _renames(
    images: Iterable[tuple[Path, Path]], stems: Mapping[Path, Mapping[str, str]]
) -> list[str]:
    renames = []
    for path, folder in images:
        names = stems[folder]
        stem = stem_of(path.name)
        lower = {name.casefold(): name for name in names}
        near = [lower[stem.casefold()]] if stem.casefold() in lower else []
        if not near and len(names) <= MOST_NAMES:
            near = get_close_matches(stem, names, n=1, cutoff=0.8)
        if near:
            wrong = folder / names[near[0]]
            renames.append(f'{wrong} to {stem}{wrong.suffix}')
    return renames
