"""What the command asks for, measured, printed and written."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

import irbox
from irbox.benchmark.cases import Setting, settings, variants
from irbox.benchmark.launches import count_launches, count_step
from irbox.benchmark.measure import Kept, compare
from irbox.benchmark.networks import Described, read_network
from irbox.benchmark.plot import plot
from irbox.benchmark.profile_network import profile_network
from irbox.benchmark.tables import comparison_table, launches_table, profile_table
from irbox.restore.devices import DTYPES, choose_device, choose_precision, computing_in
from irbox.testing.reference import textbook
from irbox.utils.files import atomic_write
from irbox.utils.processor import processor_name

META = 'meta'


def run(args: argparse.Namespace) -> None:
    """Measure and print; see ``irbox.commands.benchmark``."""
    if args.launches and args.profile:
        raise ValueError('--launches and --profile print different things: give one of them.')
    if args.plot and (args.launches or args.profile):
        what = '--launches' if args.launches else '--profile'
        raise ValueError(f'--plot {args.plot} draws times, and {what} prints none: leave one out.')
    if args.profile and 'train' in args.task:
        raise ValueError('--task train: --profile is of forward passes. Give --task forward.')
    devices = args.device or [META if args.launches else 'cpu']
    for device in devices:
        if not (args.launches and device == META):
            choose_precision('fp32', choose_device(device), checked=False)
    console = Console()
    console = console if console.is_terminal else Console(width=150)
    console.print(about(), highlight=False)
    described = {
        config: read_network(config, args.cfg_options, args.keep_prior) for config in args.configs
    }
    for note in dict.fromkeys(note for one in described.values() for note in one.notes):
        console.print(note, highlight=False)
    todo = list(
        settings(
            args.configs,
            args.size,
            args.batch,
            args.threads,
            args.precision,
            devices,
            args.task,
        )
    )
    for file in (args.json, args.plot):
        if file:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
    measure = _launches if args.launches else _profile if args.profile else _compare
    with tempfile.TemporaryDirectory() as folder:
        args.kept = Kept(Path(folder))
        content: dict[str, Any] = {'about': about(), 'command': sys.argv[1:], 'results': []}
        for setting in todo:
            found = measure(setting, described[setting.config], args, console)
            content['results'].append(found)
            if args.json:  # after each: one that fails must not take those before it along
                with atomic_write(args.json, 'w') as file:
                    json.dump(content, file, indent=1)


def about() -> str:
    """Say what measured, where and when."""
    return (
        f'irbox {irbox.__version__}, torch {torch.__version__}, Python '
        f'{platform.python_version()}, {processor()}, {date.today()}'
    )


def processor() -> str:
    """Name the processor and the widest instructions that torch uses on it."""
    return f'{processor_name()} ({torch.backends.cpu.get_cpu_capability()})'


def _compare(
    setting: Setting, described: Described, args: argparse.Namespace, console: Console
) -> dict[str, Any]:
    builds = variants(
        args.mode,
        args.textbook,
        args.against,
        args.runtime,
        not args.loop_scan,
        args.keep_memory,
    )
    with console.status('') as status:
        found = compare(
            setting,
            builds,
            described,
            args.rounds,
            args.clock,
            say=lambda text: status.update(text),
            kept=args.kept,
        )
    console.print(comparison_table(found))
    for row in found.rows:
        if row.problem is not None:
            console.print(f'{row.variant} did not run: {row.problem}', markup=False)
    if args.plot:
        drawn = vars(args).setdefault('drawn', [])
        drawn.append(found)
        plot(Path(args.plot), drawn)
    return found.as_dict()


def _launches(
    setting: Setting, described: Described, args: argparse.Namespace, console: Console
) -> dict[str, Any]:
    found = {}
    learns = setting.task == 'train'
    for name, network in _builds(setting, described, True, not args.loop_scan, learns).items():
        shape = setting.batch, 3, setting.height, setting.width
        image = torch.zeros(shape, device=setting.device)
        with _computing(setting):
            found[name] = (count_step if learns else count_launches)(network.train(learns), image)
    counted = 'both passes of a step' if learns else 'one forward pass'
    console.print(f'{setting}: launches of {counted}', highlight=False)
    console.print(launches_table(found))
    return {name: vars(one) for name, one in found.items()}


def _profile(
    setting: Setting, described: Described, args: argparse.Namespace, console: Console
) -> dict[str, Any]:
    torch.set_num_threads(setting.threads)
    found = {}
    for name, network in _builds(setting, described, args.textbook, not args.loop_scan).items():
        shape = setting.batch, 3, setting.height, setting.width
        with _computing(setting):
            image = torch.rand(shape).to(setting.device)
            found[name] = profile_network(network, image, args.rounds)
        console.print(f'{setting}: {name}', highlight=False)
        console.print(profile_table(found[name]))
    return {name: vars(one) for name, one in found.items()}


def _computing(setting: Setting) -> Any:
    return computing_in(torch.device(setting.device), DTYPES[setting.precision])


def _builds(
    setting: Setting,
    described: Described,
    with_textbook: bool,
    operator_scan: bool,
    learns: bool = False,
) -> dict[str, nn.Module]:
    torch.manual_seed(0)
    ours = described.build(setting.device)
    ours = ours if learns else ours.requires_grad_(False)
    if not with_textbook:
        return {'ours': ours}
    return {'ours': ours, 'textbook': textbook(ours, 'operator' if operator_scan else 'loop')}
