"""Train the small systems side by side, with several seeds, and write the table of their gains.

Runs that are complete are kept and one that was interrupted goes on, so the same command resumes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from irbox.engine.cli import run_tool

TOOLS = Path(__file__).resolve().parent
ROOT = TOOLS.parent
SYSTEMS = ('m2ir_demo', 'm2restore_demo', 'restormer_demo')
BEGIN = '<!-- begin: written by tools/compare_small.py -->'
END = '<!-- end -->'
INTRODUCTION = """# Small systems side by side

Same photographs, degradations, seeds, iterations and width; each system with the losses of its
config. This says how the compositions learn in minutes, and nothing about the published systems.
`python tools/compare_small.py` makes the table again.
"""

Rows = list[dict[str, Any]]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'configs',
        nargs='*',
        type=Path,
        default=[ROOT / 'configs' / f'{name}.py' for name in SYSTEMS],
        help=f'one per system (default: {", ".join(SYSTEMS)})',
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2])
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/small_scale'), help='a folder per run'
    )
    parser.add_argument('--out', type=Path, default=ROOT / 'docs' / 'small_scale.md')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='for every system; give another --work-dir with other options',
    )
    return parser.parse_args(arguments)


def run(config: Path, seed: int, folder: Path, options: Sequence[str]) -> Rows:
    """Train and test once, as far as this was not done; gives the rows of ``results.json``."""
    results, weights = folder / 'results.json', folder / 'final.pth'
    extra = ['--cfg-options', *options] if options else []
    common = ['--work-dir', str(folder), *extra]
    if not weights.is_file():
        _tool('train.py', str(config), '--seed', str(seed), '--resume', *common)
    if not results.is_file():
        _tool('test.py', str(config), str(weights), *common)
    return json.loads(results.read_text(encoding='utf-8'))


def table(found: Mapping[str, Sequence[Rows]], parameters: Mapping[str, int]) -> str:
    """Gains as a Markdown table.

    Args:
        found: System to the rows of each of its runs.
        parameters: System to its trainable parameters.
    """
    first = next(iter(found.values()))[0]
    tasks = [row['task'] for row in first]
    lines = [
        '| system | parameters | ' + ' | '.join(tasks) + ' |',
        '|---|' + '---:|' * (len(tasks) + 1),
        '| degraded, PSNR | | ' + ' | '.join(f'{row["input_psnr"]:.2f}' for row in first) + ' |',
    ]
    for system, runs in found.items():
        cells = []
        for number in range(len(tasks)):
            gains = [rows[number]['psnr'] - rows[number]['input_psnr'] for rows in runs]
            spread = f' ± {statistics.stdev(gains):.2f}' if len(gains) > 1 else ''
            cells.append(f'{statistics.fmean(gains):+.2f}{spread}')
        lines.append(f'| {system} | {parameters[system]:,} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def write(path: Path, text: str) -> None:
    """Put the text between the marks of a file; what stands around them is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before, after = INTRODUCTION + '\n', '\n'
    if path.is_file():
        content = path.read_text(encoding='utf-8')
        if BEGIN not in content or END not in content:
            raise ValueError(f'{path} has no lines {BEGIN} and {END} to write between. Add them.')
        before, after = content.split(BEGIN)[0], content.split(END, 1)[1]
    path.write_text(f'{before}{BEGIN}\n{text}\n{END}{after}', encoding='utf-8')


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare."""
    args = parse(arguments)
    names = [config.stem for config in args.configs]
    if len(set(names)) < len(names):
        raise ValueError(f'Two configs have the same name: {", ".join(names)}. Rename one.')
    import torch
    from rich.console import Console

    from irbox.engine.build import build_network
    from irbox.engine.config import load_config
    from irbox.engine.describe import count_parameters

    parameters, lengths = {}, set()
    for name, path in zip(names, args.configs, strict=True):
        config = load_config(path)
        with torch.device('meta'):
            parameters[name] = count_parameters(build_network(config))[0]
        lengths.add(config.train_cfg.max_iters)
    given = [option.partition('=')[2] for option in args.cfg_options if 'max_iters' in option]
    iterations = given[-1] if given else ' or '.join(map(str, sorted(lengths)))

    found: dict[str, list[Rows]] = {name: [] for name in names}
    # One seed of every system first: an interrupted comparison is a fair one of fewer seeds.
    for seed in args.seeds:
        for name, config in zip(names, args.configs, strict=True):
            folder = args.work_dir / f'{name}_seed{seed}'
            found[name].append(run(config, seed, folder, args.cfg_options))
        protocol = found[names[0]][0][0]['protocol']
        done = ', '.join(map(str, args.seeds[: len(found[names[0]])]))
        title = (
            f'Gain in decibels over the degraded image, protocol `{protocol}`, {iterations} '
            f'iterations; mean ± standard deviation over the seeds {done}.'
        )
        write(args.out, f'{title}\n\n{table(found, parameters)}')
    Console().print(f'Written: {args.out}', highlight=False)


def _tool(name: str, *arguments: str) -> None:
    code = subprocess.run([sys.executable, str(TOOLS / name), *arguments], check=False).returncode
    if code:
        # It said why itself.
        sys.exit(code)


if __name__ == '__main__':
    run_tool(main)
