"""What networks cost on this machine, each in a process of its own, taken in turn."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from irbox.analysis.cost import Cost, count
from irbox.benchmark.cases import Setting, Variant
from irbox.benchmark.networks import read_network, save_weights
from irbox.benchmark.process import NotRunError, Process


def measure_cost(
    configs: Sequence[str],
    setting: Setting,
    rounds: int,
    cfg_options: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = print,
) -> list[Cost]:
    """Count and time the networks of configs; their weights are random.

    DA-CLIP is counted whole; where networks are run, a stand-in of its sizes gives the prior.

    Args:
        configs: Files, or names of configs that come with irbox, those of plug-ins too.
        setting: Size, threads, precision and device; its config is not used.
        rounds: Runs of each that count; one more warms up. 0 runs nothing.
        cfg_options: Values that replace those of every config.
        say: Told what is going on.

    Returns:
        A cost for each, in the order of the configs.
    """
    found = []
    for config in configs:
        say(f'{config}: counting')
        network = read_network(config, cfg_options, keep_prior=True).build('meta')
        found.append(count(Path(config).stem, network, setting.width, setting.height))
    if rounds:
        _run(configs, found, setting, rounds, cfg_options, say)
    return found


def _run(
    configs: Sequence[str],
    found: Sequence[Cost],
    setting: Setting,
    rounds: int,
    cfg_options: Mapping[str, Any] | None,
    say: Callable[[str], None],
) -> None:
    shared = {**asdict(setting), **asdict(Variant('ours'))}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running: list[tuple[Cost, Process]] = []
        for config, cost in zip(configs, found, strict=True):
            say(f'{config}: building')
            described = read_network(config, cfg_options)
            weights = folder / f'{len(running)}.npz'
            save_weights(described, weights)
            try:
                process = stack.enter_context(Process(threads=setting.threads))
                process.ask(
                    'build',
                    **shared | {'network': described.network, 'config': config},
                    plugins=described.plugins,
                    weights=str(weights),
                )
                running.append((cost, process))
            except NotRunError as error:
                cost.problem = str(error)
        running = _timed(running, rounds)
        for cost, process in running:
            held = process.ask('memory')
            cost.process_bytes = held['process']
            cost.device_bytes = 0 if setting.device == 'cpu' else held['peak']


def _timed(running: Sequence[tuple[Cost, Process]], rounds: int) -> list[tuple[Cost, Process]]:
    """Time each in turn; gives those that ran to the end."""
    left = list(running)
    for number in range(rounds + 1):
        # There and back, so that none always comes after the same neighbor.
        for cost, process in left[:] if number % 2 else left[::-1]:
            try:
                seconds = process.ask('time')['wall']
            except NotRunError as error:  # memory that does not suffice, most of all
                cost.problem, cost.seconds = str(error), []
                left.remove((cost, process))
                process.close()  # what it holds may be what the others need
            else:
                cost.seconds += [seconds] if number else []
    return left
