"""What a check of data found, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from irbox.data_check.checked_set import CheckedSet
from irbox.data_check.finding import Finding
from irbox.data_check.sizes import shown, summarise
from irbox.datasets.file_facts import FileFacts

COLUMNS = ('set', 'source', 'pairs', 'labels', 'most frequent', 'least', 'most', 'left out')


@dataclass(frozen=True)
class Report:
    """The sets, their files, and what is to be said about them."""

    sets: Sequence[CheckedSet]
    facts: Mapping[Path, FileFacts]
    findings: Sequence[Finding]
    deep: bool

    @property
    def serious(self) -> list[Finding]:
        """List what keeps the data from being used as they are."""
        return [finding for finding in self.findings if finding.serious]

    @property
    def notes(self) -> list[Finding]:
        """List what is only worth knowing."""
        return [finding for finding in self.findings if not finding.serious]

    def table(self) -> Table:
        """Lay out a row for each source."""
        table = Table()
        for name in COLUMNS:
            table.add_column(name, overflow='fold')
        for checked in self.sets:
            place = checked.place
            for source in checked.sources:
                sizes = summarise(source, self.facts)
                times = f' x {source.repeat}' if source.repeat > 1 else ''
                labels = source.counts
                table.add_row(
                    place,
                    source.name,
                    f'{len(source.pairs):,}{times}',
                    ', '.join(f'{label} {count:,}' for label, count in labels.items())
                    if len(labels) > 1
                    else next(iter(labels)),
                    f'{shown(sizes.most_frequent)} ({sizes.share:.0%})' if sizes else '-',
                    shown(sizes.least) if sizes else '-',
                    shown(sizes.most) if sizes else '-',
                    ', '.join(f'{count:,} {why}' for why, count in source.left_out.items()),
                )
                place = ''
        return table

    def content(self) -> dict[str, Any]:
        """Give the same as plain values."""
        return {
            'deep': self.deep,
            'files': len(self.facts),
            'sets': [
                {
                    'place': checked.place,
                    'samples': checked.samples,
                    'sources': [
                        {
                            'name': source.name,
                            'pairs': len(source.pairs),
                            'repeat': source.repeat,
                            'labels': source.counts,
                            'left_out': dict(source.left_out),
                            'sizes': sizes._asdict()
                            if (sizes := summarise(source, self.facts))
                            else None,
                        }
                        for source in checked.sources
                    ],
                }
                for checked in self.sets
            ],
            'findings': [_plain(finding) for finding in self.serious],
            'notes': [_plain(finding) for finding in self.notes],
        }


def _plain(finding: Finding) -> dict[str, Any]:
    content = asdict(finding)
    del content['serious']
    files = [one if isinstance(one, str) else ' = '.join(one) for one in finding.files]
    return content | {'files': files}
