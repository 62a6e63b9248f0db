"""The runs that a sweep asks for, and the files that show what they found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from irbox.config.load_config import config_text, load_config
from irbox.evaluation.tables import MEAN
from irbox.registry import MODELS, find_part
from irbox.sweeps.cost import Cost, count_cost
from irbox.sweeps.differences import differences
from irbox.sweeps.findings import Findings, collect
from irbox.sweeps.plot import plot
from irbox.sweeps.run import TESTED, Run
from irbox.sweeps.sweep import Row, Sweep, resolve
from irbox.sweeps.table import markdown, write_csv, write_table


class Campaign:
    """A sweep on one base, with seeds, in a folder.

    Args:
        sweep: What the table is.
        base_name: What the base is called.
        base: What the rows change; None where they stand on their own.
        chosen: Rows that are to run. The table shows all of them, as far as they are finished.
        seeds: Of each row.
        options: Values by dotted key that win over every row's.
        work_dir: Gets a folder per run, named for row and seed.
        size: Width and height that costs are counted for.

    Raises:
        ValueError, FileNotFoundError, ImportError: A row's config is wrong.
    """

    def __init__(
        self,
        sweep: Sweep,
        base_name: str,
        base: Path | None,
        chosen: Sequence[Row],
        seeds: Sequence[int],
        options: Mapping[str, Any],
        work_dir: Path,
        size: tuple[int, int],
    ) -> None:
        self.sweep, self.base_name, self.base = sweep, base_name, base
        self.chosen, self.options, self.size, self.work_dir = chosen, options, size, work_dir
        self.seeds = list(dict.fromkeys([*sweep.seeds, *seeds]))
        self.configs = {row.name: resolve(row, base, options) for row in sweep.rows}
        # One seed of every row first: an interrupted sweep is a fair one of fewer seeds.
        self.runs = [
            self._run(row, seed)
            for seed in seeds
            for row in chosen
            # What is only tested has no seed: once is enough.
            if seed == seeds[0] or self._weights(row) is None
        ]
        self._costs: dict[str, Cost | None] = {}

    def preview(self) -> list[str]:
        """Describe what each row changes and how far its runs are, in lines."""
        lines = [f'{self.sweep.title}; base {self.base or "none"}']
        plain = load_config(self.base, self.options).to_dict() if self.base else None
        for row in self.chosen:
            runs = (run for run in self.runs if run.row == row.name)
            states = ', '.join(f'{run.seed} {run.state()}' for run in runs)
            lines.append(f'{row.name}: {row.label} (seed {states})')
            if plain is None:
                lines.append(f'    {row.config}')
                continue
            changes = differences(plain, self.configs[row.name].to_dict())
            lines += [f'    {change}' for change in changes or ['the base itself']]
        return lines

    def summary(self, run: Run) -> str:
        """Describe what a finished run found."""
        means = (entry for entry in run.results() if entry['task'] == MEAN)
        # Of several protocols, the first, as in the table; there is none without PSNR.
        mean = next(means, None)
        seconds = run.seconds()
        took = '' if seconds is None else f', trained in {seconds:.0f} s'
        if mean is None or mean['psnr'] is None or mean['input_psnr'] is None:
            return f'finished{took}'
        gain = mean['psnr'] - mean['input_psnr']
        return f'mean PSNR {mean["psnr"]:.2f} dB ({gain:+.2f}), SSIM {mean["ssim"]:.4f}{took}'

    def write(self, out: Path) -> None:
        """Write the table as it stands: Markdown, and CSV beside it."""
        findings = self._findings()
        write_table(out, self.sweep.title, markdown(findings))
        write_csv(out.with_suffix('.csv'), findings)

    def draw(self, out: Path) -> str | None:
        """Write the plot beside the table; gives the reason where that is not possible."""
        findings = self._findings()
        if not findings.tasks:
            return 'no run has finished.'
        try:
            plot(out.with_suffix('.png'), findings)
        except ImportError as error:
            return str(error)
        return None

    def _run(self, row: Row, seed: int) -> Run:
        config = Config(self.configs[row.name].to_dict())
        config.merge_from_dict({'randomness.seed': seed})
        folder = self.work_dir / f'{row.name}_seed{seed}'
        weights = self._weights(row)
        text = config_text(config)
        # Other weights are another run, though the config is the same.
        text += ''.join(f'{TESTED}{one}\n' for one in weights or ())
        return Run(row.name, seed, text, folder, weights)

    def _weights(self, row: Row) -> tuple[str, ...] | None:
        """What a row that is not trained is tested with."""
        if row.checkpoint is not None:
            return (str(row.checkpoint),)
        network = self.configs[row.name].get('model', {}).get('network') or {}
        name = network.get('type')
        brings = isinstance(name, str) and getattr(find_part(name, MODELS), 'brings_weights', False)
        return () if brings else None

    def _findings(self) -> Findings:
        lengths = {
            _length(self.configs[row.name])
            if self._weights(row) is None
            else 'with weights that were there already'
            for row in self.sweep.rows
        }
        return Findings(
            sweep=self.sweep,
            base=self.base_name,
            size=self.size,
            lengths=sorted(lengths),
            rows=[
                collect(row, [self._run(row, seed) for seed in self.seeds], self._cost(row))
                for row in self.sweep.rows
            ],
        )

    def _cost(self, row: Row) -> Cost | None:
        if row.name not in self._costs:
            try:
                self._costs[row.name] = count_cost(self.configs[row.name], *self.size)
            except (ValueError, ImportError, OSError):
                # Its training says why it cannot be built; the other rows go on.
                self._costs[row.name] = None
        return self._costs[row.name]


def _length(config: Config) -> str:
    train = config.get('train_cfg') or {}
    if 'max_epochs' in train:
        return f'{train.get("max_epochs"):,} epochs'
    return f'{train.get("max_iters", 0):,} iterations'
