"""The table of a sweep, as Markdown and as CSV."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Sequence
from pathlib import Path

from irbox.sweeps.findings import Findings, Found, spread
from irbox.utils.files import atomic_write, write_text

BEGIN = '<!-- begin: written by tools/sweep.py -->'
END = '<!-- end -->'
FIELDS = (
    'row',
    'label',
    'seed',
    'task',
    'protocol',
    'input_psnr',
    'input_ssim',
    'psnr',
    'ssim',
    'parameters',
    'macs_dense',
    'macs_selected',
    'train_seconds',
    'published_psnr',
    'published_ssim',
)


def markdown(findings: Findings) -> str:
    """Write what was measured, and what a paper printed beside it.

    One table has a line per row with its mean scores and its cost, the other its scores per task.
    """
    blocks = [_introduction(findings), _means(findings)]
    if findings.tasks:
        blocks.append(_per_task(findings))
    if note := findings.sweep.notes.get(findings.base):
        blocks.insert(1, note)
    return '\n\n'.join(blocks)


def write_table(path: Path, title: str, text: str) -> None:
    """Put the text between the marks of a file; what stands around them is kept.

    A new file gets a title, which may be changed.

    Raises:
        ValueError: The file has no marks.
    """
    before, after = f'# {title}\n\n', '\n'
    if path.is_file():
        content = check_marks(path)
        before, rest = content.split(BEGIN, 1)
        # Other generated parts may end by the same mark above.
        after = rest.split(END, 1)[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, f'{before}{BEGIN}\n{text}\n{END}{after}')


def check_marks(path: Path) -> str:
    """Read the content of a file that a table can be written into.

    Raises:
        ValueError: The file has no marks.
    """
    content = path.read_text(encoding='utf-8')
    if BEGIN not in content or END not in content.split(BEGIN, 1)[1]:
        raise ValueError(f'{path} has no lines {BEGIN} and {END} to write between. Add them.')
    return content


def write_csv(path: Path, findings: Findings) -> None:
    """Write a line per run and task, with nothing rounded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, 'w') as file:
        fields = [*FIELDS, *findings.others]
        writer = csv.DictWriter(file, fields, restval='', lineterminator='\n')
        writer.writeheader()
        for found in findings.rows:
            cost = found.cost
            fixed = {
                'row': found.row.name,
                'label': found.row.label,
                'parameters': cost.parameters if cost else '',
                'macs_dense': cost.dense if cost else '',
                'macs_selected': cost.selected if cost else '',
                **{f'published_{key}': value for key, value in found.row.published.items()},
            }
            for seed, scores in found.runs.items():
                seconds = found.seconds.get(seed, '')
                for entry in scores:
                    writer.writerow({**fixed, 'seed': seed, 'train_seconds': seconds, **entry})


def _introduction(findings: Findings) -> str:
    score = {
        'psnr': 'PSNR in decibels',
        'gain': 'Gain in decibels over the degraded image',
    }[findings.sweep.score]
    protocols = ', '.join(f'`{name}`' for name in findings.protocols) or 'none yet'
    seeds = sorted({seed for finding in findings.rows for seed in finding.runs})
    lengths = ' or '.join(findings.lengths)
    # One training has no deviation.
    several = any(len(finding.runs) > 1 for finding in findings.rows)
    over = 'mean ± standard deviation over the seeds' if several else 'of the seed'
    width, height = findings.size
    lines = [
        f'{score} and SSIM, protocol {protocols}; {over} '
        f'{", ".join(map(str, seeds)) or "(none yet)"}; {lengths}'
        + (f' on the base `{findings.base}`.' if findings.base else '.'),
        'Parameters are the trainable ones; cost is G multiply-accumulates at '
        f"{width}x{height} in the papers' convention, with every expert on every pixel / with the "
        'selected ones. Neither holds the prior.',
    ]
    times = [value for finding in findings.rows for value in finding.seconds.values()]
    if times:
        lines.append(
            f'A training took {min(times) / 60:.1f} to {max(times) / 60:.1f} minutes, '
            f'{statistics.median(times) / 60:.1f} in the middle.'
        )
    if any(finding.row.published for finding in findings.rows):
        lines.append(
            f'Published values are those of the paper ({findings.sweep.source}), not ours, and of '
            'its data.'
        )
    return ' '.join(lines)


def _means(findings: Findings) -> str:
    published = any(found.row.published for found in findings.rows)
    gain = findings.sweep.score == 'gain'
    head = ['row', 'parameters', 'GMACs', 'runs', 'gain' if gain else 'PSNR', 'SSIM']
    head += [*findings.others, 'minutes']
    head += ['published PSNR', 'published SSIM'] if published else []
    lines = []
    if findings.tasks:
        mean = findings.tasks[-1]
        psnr, ssim = findings.input(mean, 'psnr'), findings.input(mean, 'ssim')
        scores = [
            '' if gain or psnr is None else f'{psnr:.2f}',
            '' if ssim is None else f'{ssim:.4f}',
        ]
        scores += [''] * len(findings.others)
        lines.append(['degraded', '', '', '', *scores, '', *([''] * 2 if published else [])])
    for found in findings.rows:
        lines.append(_mean_line(found, findings, published))
    return _table(head, lines)


def _mean_line(found: Found, findings: Findings, published: bool) -> list[str]:
    mean = findings.tasks[-1] if findings.tasks else ''
    cost, score = found.cost, findings.sweep.score
    times = [seconds / 60 for seconds in found.seconds.values()]
    line = [
        found.row.label,
        f'{cost.parameters:,}' if cost else '–',
        f'{cost.dense / 1e9:.4g} / {cost.selected / 1e9:.4g}' if cost else '–',
        str(len(found.runs)),
        spread(found.values(mean, score), 2, score == 'gain'),
        spread(found.values(mean, 'ssim'), 4),
        *(spread(found.values(mean, other), 4) for other in findings.others),
        f'{statistics.fmean(times):.1f}' if times else '–',
    ]
    if published:
        line += [
            f'{found.row.published[key]:.{digits}f}' if key in found.row.published else ''
            for key, digits in (('psnr', 2), ('ssim', 4))
        ]
    return line


def _per_task(findings: Findings) -> str:
    score, tasks = findings.sweep.score, findings.tasks

    def before(task: str) -> str:
        psnr, ssim = findings.input(task, 'psnr'), findings.input(task, 'ssim')
        return ' / '.join(
            '–' if value is None else f'{value:.{digits}f}'
            for value, digits in ((psnr, 2), (ssim, 4))
        )

    lines = [['degraded: PSNR / SSIM', *map(before, tasks)]]
    for found in findings.rows:
        cells = [
            f'{spread(found.values(task, score), 2, score == "gain")} / '
            f'{spread(found.values(task, "ssim"), 4)}'
            for task in tasks
        ]
        lines.append([found.row.label, *cells])
    return _table([f'{"gain" if score == "gain" else "PSNR"} / SSIM', *tasks], lines)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rule = ['---'] + ['---:'] * (len(head) - 1)
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in (head, rule, *lines))
