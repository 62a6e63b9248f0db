"""Training and test halves of a set: what folders are named for, and what must not be mixed up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

WORDS = {
    'train': {'train', 'training', 'trainset'},
    'test': {'test', 'tests', 'testing', 'testset', 'eval', 'evaluation'}
    | {'val', 'valid', 'validation', 'valset'},
}
# Of names such as `test_set`, `test_a` and `TestL`, which say nothing else than which half it is.
_BESIDE = {'set', 'a', 'b', 's', 'm', 'l', 'h'}
_USES = {'train': 'training', 'test': 'testing'}


def half_of_name(name: str, wholly: bool = False) -> str:
    """Tell whether a folder, or a split, is named for training or for testing.

    Args:
        name: Its words are told apart by capitals, digits and signs: ``RainTestL``, ``eval15``.
        wholly: Only where the name says nothing else.

    Returns:
        ``train``, ``test``, or ``''`` where the name says nothing of the kind, or both.

    Examples:
        >>> [half_of_name(n) for n in ('RainTrainL', 'CDD-11_test', 'eval15', 'valley', 'our485')]
        ['train', 'test', 'test', '', '']
    """
    words = {word.lower() for word in re.findall(r'[A-Z]+(?![a-z])|[A-Z]?[a-z]+', name)}
    named = [half for half, known in WORDS.items() if words & known]
    if len(named) != 1 or (wholly and words - WORDS[named[0]] - _BESIDE):
        return ''
    return named[0]


def half_of_folders(names: Iterable[str]) -> str:
    """Tell which half the innermost folder that is named for one is named for."""
    for name in reversed(list(names)):
        if half := half_of_name(name):
            return half
    return ''


def named_half(folder: Path, data_root: Path) -> str:
    """Tell which half the folder of a source is named for.

    Args:
        folder: Of the images.
        data_root: Folders around it count only as far as the config names them: whole paths have
            all kinds of words in them.
    """
    if folder.is_relative_to(data_root) and (data_root != Path() or not folder.is_absolute()):
        inner = folder.relative_to(data_root).parts
        return half_of_folders(inner) or half_of_name(data_root.name, wholly=True)
    return next((half for name in folder.parts[:-4:-1] if (half := half_of_name(name))), '')


@dataclass(frozen=True)
class Half:
    """What a source is for, and what speaks against it."""

    source: str
    """Its name in the config."""
    title: str
    """Of the set and its split; empty for two folders."""
    declared: str
    """``train`` or ``test``; empty where nobody says."""
    named: str
    """What its folders are named for, as ``declared``."""
    folder: Path
    count: int
    """Pairs."""
    others: Mapping[str, int]
    """Titles of the set's other half, to the pairs that were published."""

    def objections(self, training: bool = False) -> list[str]:
        """Give a sentence for each reason why this is the wrong half.

        Args:
            training: The images are trained on, whatever the set says.
        """
        use = 'train' if training else self.declared
        if not use:
            return []
        why = []
        if self.declared and self.declared != use:
            why.append(f'{self.title} is published for {_USES[self.declared]}')
        if self.named and self.named != use:
            why.append(f'{self.folder} is named for {_USES[self.named]}')
        why += [
            f'{self.folder} holds as many pairs as {title}'
            for title in same_count(self.count, self.others)
        ]
        if not why:
            return []
        harm = (
            'A network that is trained on test images has scores that mean nothing.'
            if use == 'train'
            else 'A test on training images has scores that mean nothing.'
        )
        return [
            f'Data source {self.source} is to be used for {_USES[use]} with '
            f'{self.count:,} pairs, but {reason}. {harm}'
            for reason in why
        ]


def same_count(count: int, others: Mapping[str, int]) -> list[str]:
    """List the titles of those that have exactly this number of pairs."""
    return [title for title, number in others.items() if number == count]
