"""What ``irbox analyse`` does: models and images for the analyses, and what they say."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from irbox.analysis import compare, cost, features, frequency, gates, prior, routing, summary
from irbox.analysis.output import Output, digests
from irbox.analysis.published_costs import PUBLISHED
from irbox.analysis.samples import Sample, choose_samples
from irbox.config.load_config import load_config
from irbox.config.shipped_configs import find_config
from irbox.engine import compat
from irbox.engine.environment import describe_environment
from irbox.engine.sections import build_loaders, loaders_by_place, settle_seed
from irbox.evaluation.protocols import find_protocol
from irbox.networks.restore_tiled import restore_tiled
from irbox.restore.devices import choose_device
from irbox.restore.exported_network import ExportedNetwork
from irbox.restore.hub_folder import CONFIG
from irbox.restore.load import load
from irbox.restore.restoration_model import RestorationModel
from irbox.utils.console import console


def run_analysis(args: argparse.Namespace) -> None:
    """Run one analysis, print its findings and where it wrote them."""
    folder = args.out or Path('work_dirs/analyses') / args.what
    output = Output(folder, args.what, {})
    findings = RUNS[args.what](args, output)
    settings = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in vars(args).items()
        if key not in ('what', 'out')
    }
    output.origin = {**output.origin, 'settings': settings}
    output.finish(describe_environment())
    terminal = console()
    for line in findings:
        terminal.print(line)
    terminal.print(f'Figures and numbers: {folder}')


def _gates(args: argparse.Namespace, output: Output) -> list[str]:
    model = _model(args.config, args.checkpoint, args.device)
    samples = _samples(args, output, [model])
    found = gates.analyze(model.network, samples, output, args.places, args.channels, args.sheets)
    return ['Correlation of the gate, degraded minus clean, with |degraded - clean|:'] + [
        f'  {one["place"]}, {one["label"]}: {one["correlation_difference"]:.2f} ± '
        f'{one["correlation_difference_deviation"]:.2f}, negative in '
        f'{one["correlation_difference_negative"]} of {one["images"]}'
        for one in found
    ]


def _features(args: argparse.Namespace, output: Output) -> list[str]:
    models = [_model(args.config, args.checkpoint, args.device)]
    models += [_model(config, Path(path), args.device) for config, path in args.beside]
    samples = _samples(args, output, models)
    named = dict(zip(_names(models), (model.network for model in models), strict=True))
    found = features.analyze(named, samples, output, _seeds(args), args.perplexity)
    return [
        f'{one["network"]}, {one["place"]}: silhouette {one["silhouette"]:.2f} '
        f'(chance below {one["by_chance_most"]:.2f}), of the projection '
        f'{one["tsne_silhouette"]:.2f}'
        for one in found
    ]


def _routing(args: argparse.Namespace, output: Output) -> list[str]:
    model = _model(args.config, args.checkpoint, args.device)
    samples = _samples(args, output, [model])
    found = routing.analyze(model.network, samples, output, _seeds(args), args.perplexity)
    lines = [
        f'{one["place"]}: evenness {one["evenness"]:.2f}, balance {one["balance"]:.2f}, unvisited '
        f'{one["unvisited"] or "none"}'
        for one in found['usage']
        if one['label'] == 'all'
    ]
    return lines + [
        f'{name}: silhouette {one["silhouette"]:.2f} (chance below {one["by_chance_most"]:.2f}), '
        f'within {one["within"]:.3g} ± {one["within_deviation"]:.2g}, '
        f'between {one["between"]:.3g} ± {one["between_deviation"]:.2g}'
        for name, one in found.get('clusters', {}).items()
    ]


def _prior(args: argparse.Namespace, output: Output) -> list[str]:
    model = _model(args.config, args.checkpoint, args.device)
    samples = _samples(args, output, [model])
    found = prior.analyze(model.network, model.card.degradations, samples, output)
    if 'accuracy' not in found:
        return ['No label of the images is a name of the prior.']
    return [
        f'Right {found["accuracy"]:.2f}, calibration error {found["calibration_error"]:.2f}, '
        f'Brier {found["brier"]:.2f}'
    ]


def _frequency(args: argparse.Namespace, output: Output) -> list[str]:
    model = _model(args.config, args.checkpoint, args.device)
    for side in args.sides:
        if side % model.multiple:
            raise ValueError(f'--sides {side} must be a multiple of {model.multiple}.')
    found = frequency.analyze(model.network, _samples(args, output, [model]), output, args.sides)
    return [
        f'{one["side"]}x{one["side"]}, {one["place"]} (map of {one["map"]}): low band '
        f'{one["low_share"]:.3f} of the energy, empty in {one["empty_share"]:.0%}'
        for one in found
    ]


def _compare(args: argparse.Namespace, output: Output) -> list[str]:
    rules = find_protocol(args.protocol)
    first = _model(args.config, args.checkpoint, args.device)
    models = [first]
    name = args.name or first.name
    if name in (compare.INPUT, compare.CLEAN):
        raise ValueError(
            f'The first method is called {name!r}: the name is taken. Give another by --name.'
        )
    methods = {name: _restorer(first, args.protocol)}
    for text in args.method:
        name, equals, path = text.partition('=')
        if not equals or not name or not path:
            raise ValueError(f'--method {text}: write NAME=PATH.')
        if name in (*methods, compare.INPUT, compare.CLEAN):
            raise ValueError(f'--method {text}: the name is taken.')
        if Path(path).is_dir() and not (Path(path) / CONFIG).is_file():
            if not rules.clip:
                raise ValueError(
                    f'--method {text}: --protocol {args.protocol} scores what lies outside 0 to 1, '
                    'which files do not hold. Give the model, or another protocol.'
                )
            methods[name] = compare.from_folder(Path(path))
        else:
            models.append(load(path, args.device, 'fp32', offline=args.offline))
            methods[name] = _restorer(models[-1], args.protocol)
    samples = _samples(args, output, models, multiple=rules.crop_multiple or 1)
    found = compare.analyze(samples, methods, output, args.protocol, args.box, args.box_side)
    return [
        f'{one["image"]}, {one["method"]}: {one["psnr"]:.2f} dB, {one["ssim"]:.4f}' for one in found
    ]


def _cost(args: argparse.Namespace, output: Output) -> list[str]:
    from irbox.benchmark.cases import Setting
    from irbox.benchmark.measure_cost import measure_cost
    from irbox.benchmark.run import processor

    if args.rounds < 0:
        raise ValueError(f'--rounds {args.rounds}: give a number of at least 0; 0 counts only.')
    width, height = args.size
    setting = Setting(
        '',
        width,
        height,
        1,
        args.threads,
        args.precision,
        str(choose_device(args.device)),
        'forward',
    )
    output.origin = {
        'inputs': digests(map(find_config, args.configs)),
        # Costs are those of drawn weights.
        'seeds': {'weights': 0},
    }
    found = measure_cost(args.configs, setting, args.rounds, args.cfg_options, console().print)
    tables = [PUBLISHED[name] for name in args.published]
    threads = f'{args.threads} thread{"s" * (args.threads > 1)}'
    machine = f'{setting.device}, {processor()}, {threads}'
    said = f'{width}x{height}, {args.precision}, {machine}, {args.rounds} runs after one'
    table = cost.analyze(found, tables, output, said if args.rounds else f'{width}x{height}')
    return [table, *(f'{one.method} did not run: {one.problem}' for one in found if one.problem)]


def _summary(args: argparse.Namespace, output: Output) -> list[str]:
    score, methods = summary.read_tables(args.tables, args.score)
    output.origin = {'inputs': digests(map(summary.table_file, args.tables))}
    summary.analyze(methods, score, output)
    protocols = ', '.join(dict.fromkeys(one.protocol for one in methods))
    names = ', '.join(one.name for one in methods)
    return [f'{len(methods)} methods, protocol {protocols}: {names}']


RUNS: dict[str, Callable[[argparse.Namespace, Output], list[str]]] = {
    'gates': _gates,
    'features': _features,
    'routing': _routing,
    'prior': _prior,
    'frequency': _frequency,
    'compare': _compare,
    'cost': _cost,
    'summary': _summary,
}


def _model(config: str, checkpoint: Path, device: str) -> RestorationModel:
    return load((config, checkpoint), device=device, precision='fp32')


def _restorer(model: RestorationModel, protocol: str) -> compare.Restore:
    """Restore as a test by the protocol does: in its tiles, and without clipping."""
    tile = find_protocol(protocol).tile
    if tile and isinstance(model.network, ExportedNetwork):
        raise ValueError(
            f'--protocol {protocol}: tiles share what is believed of the whole image, and '
            f'{model.place}, an exported network, describes each by itself. Give the model that '
            'the file was made of, or another protocol.'
        )

    @torch.inference_mode()
    def restore(sample: Sample) -> Tensor:
        image = sample.degraded[None].to(model.device)
        if tile:
            return restore_tiled(model.network, image, tile=tile)[0]
        answer: Tensor = model.network(image)[0]
        return answer

    return restore


def _names(models: Sequence[RestorationModel]) -> list[str]:
    """The models' names, with numbers where two are the same."""
    names = [model.name for model in models]
    return [
        name if names.count(name) == 1 else f'{name} {number}'
        for number, name in enumerate(names, 1)
    ]


def _seeds(args: argparse.Namespace) -> list[int]:
    if args.random_starts < 0:
        raise ValueError(f'--random-starts {args.random_starts}: give a number of at least 0.')
    return list(range(1, args.random_starts + 1))


def _samples(
    args: argparse.Namespace,
    output: Output,
    models: Sequence[RestorationModel],
    multiple: int | None = None,
) -> list[Sample]:
    """Choose the images, and note what is analyzed."""
    path = args.data or args.config
    sections = ['test_dataloader', 'val_dataloader']
    config = load_config(path, args.cfg_options, sections=sections)
    section = next((one for one in sections if config.get(one)), None)
    if section is None:
        raise ValueError(f'{path} has neither test nor validation images. Name others with --data.')
    compat.init()
    settle_seed(config, args.seed)
    loaders = loaders_by_place(build_loaders(config, section), section)
    datasets = [one.dataset for one in loaders.values()]
    multiple = multiple or max(model.multiple for model in models)
    try:
        samples = choose_samples(datasets, args.images, args.labels, args.crop, multiple)
    except ValueError as error:
        raise ValueError(f'{path}, {section}: {error}') from error
    output.origin = {
        'models': [
            {'name': name, 'source': model.place, 'weights_sha256': model.digest}
            for name, model in zip(_names(models), models, strict=True)
        ],
        'data': {'config': path, 'section': section, 'images': [one.name for one in samples]},
        'seeds': {
            'data': args.seed,
            'shuffles': 0,
            't-SNE': [0, *range(1, getattr(args, 'random_starts', 0) + 1)],
        },
    }
    return samples
