"""The data sets of a config, as far as their files can be found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from irbox.data_check.finding import Finding, as_text
from irbox.data_check.suggest_pairing import suggest_pairing
from irbox.datasets.pairs.data_source import DataSource, find_source
from irbox.datasets.pairs.paired_source import UnmatchedImagesError
from irbox.registry import DATASETS

SECTIONS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
GENERATED = {
    'EmbeddedDataset': 'made on the fly from photographs that installed packages bring along: '
    'there are no files to check.'
}


@dataclass
class CheckedSet:
    """A data set of a config."""

    place: str
    """Where the config has it, such as ``val_dataloader.haze``; several, where it stands twice."""
    training: bool
    given: Mapping[str, Any]
    """What the config says."""
    sources: list[DataSource] = field(default_factory=list)
    """Those that could be found."""

    @property
    def samples(self) -> int:
        """Count them, in an epoch."""
        return sum(len(source.pairs) * source.repeat for source in self.sources)


def find_sets(config: Config) -> tuple[list[CheckedSet], list[Finding]]:
    """Find the files of all data sets of a config.

    What is wrong with one source, or one set, keeps none of the others from being looked at.

    Returns:
        The sets that are made of files, and what is wrong.
    """
    sets: list[CheckedSet] = []
    findings = []
    for place, training, given in _datasets(config):
        twin = next((s for s in sets if s.given == given and s.training == training), None)
        if twin is not None:
            twin.place += f', {place}'
            continue
        if given['type'] == 'PairedImageDataset':
            sets.append(CheckedSet(place, training, given))
            findings += _find_sources(sets[-1])
        else:
            about = GENERATED.get(
                given['type'], f'{given["type"]}: this tool does not know its files.'
            )
            findings.append(Finding('generated', place, about, serious=False))
    return sets, findings


def _datasets(config: Config) -> Iterator[tuple[str, bool, Mapping[str, Any]]]:
    for section in SECTIONS:
        loaders = config.get(section)
        if loaders is None:
            continue
        content = loaders.to_dict()
        named = {section: content} if 'dataset' in content else content
        for name, loader in named.items():
            if loader is not None:
                place = section if name == section else f'{section}.{name}'
                for inner, given in _inner(place, loader['dataset']):
                    yield inner, section == 'train_dataloader', given


def _inner(place: str, given: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Find the sets inside those that wrap others, such as mmengine's ConcatDataset."""
    if isinstance(given.get('dataset'), Mapping):
        yield from _inner(f'{place}.dataset', given['dataset'])
    elif isinstance(given.get('datasets'), Sequence):
        for index, inner in enumerate(given['datasets']):
            yield from _inner(f'{place}.datasets.{index}', inner)
    else:
        yield place, given


def _find_sources(checked: CheckedSet) -> list[Finding]:
    options = checked.given
    content = options.get('sources') or {}
    if not isinstance(content, Mapping):
        message = f'sources: {content!r} must be a mapping from names to sources.'
        return [Finding('source', checked.place, message)]
    sources = {name: source for name, source in content.items() if source is not None}
    findings = []
    for name, source in sources.items():
        where = f'{checked.place}, source {name}'
        data_root = options.get('data_root', '')
        try:
            if not isinstance(source, Mapping):
                raise ValueError(
                    f'{source!r} must be a mapping, such as {{input: ..., target: ...}}.'
                )
            # What is packed was found to be complete when it was.
            own = {} if source.get('packed') is not None else {'strict': True}
            data_source = find_source(name, {**source, **own}, data_root)
        except UnmatchedImagesError as error:
            given, strict = (name, source, data_root), options.get('strict', True)
            findings.append(_unmatched(where, error, serious=not _can_be_used(*given, strict)))
            if not _can_be_used(name, {**source, 'strict': False}, data_root, False):
                continue  # not one of them has a clean image, which was said
            data_source = find_source(name, {**source, 'strict': False}, data_root)
        except FileNotFoundError as error:
            findings.append(Finding('missing', where, str(error)))
            continue
        except (ValueError, OSError) as error:
            findings.append(Finding('source', where, str(error)))
            continue
        checked.sources.append(data_source)
        findings += _counts(where, data_source)
        findings += [
            Finding('split', where, text, remedy='Name the folder of the right half as root.')
            for text in data_source.half.objections(checked.training)
        ]
    # The wrong number of images, or the wrong ones, can still be read.
    if not any(f.serious and f.kind not in ('count', 'split') for f in findings):
        try:
            DATASETS.build(options)
        except (ValueError, OSError, ImportError) as error:
            findings.append(Finding('source', checked.place, str(error)))
    return findings


def _can_be_used(name: str, source: Mapping[str, Any], data_root: Any, strict: bool) -> bool:
    try:
        find_source(name, source, data_root, strict)
    except ValueError:
        return False
    return True


def _counts(place: str, source: DataSource) -> list[Finding]:
    serious = not source.selected
    return [Finding('count', place, text, serious=serious) for text in source.differences()]


def _unmatched(place: str, error: UnmatchedImagesError, serious: bool) -> Finding:
    files: Sequence[Path] = [path for path, _ in error.images]
    remedy = suggest_pairing(error.images)
    return Finding('unmatched', place, str(error), as_text(files), remedy, serious=serious)
