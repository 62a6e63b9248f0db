"""What ``tools/test.py`` does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from torch import Tensor, nn

from irbox.config.load_config import load_config
from irbox.engine import compat
from irbox.engine.checkpoint import check_frozen, load_weights, read_checkpoint
from irbox.engine.hooks import PredictionsHook
from irbox.engine.prepare import prepare_test, tested_sections, work_dir_of
from irbox.evaluation import ImageMetric, RestorationMetric, ScoreInfo
from irbox.evaluation.tables import (
    MEAN,
    Origin,
    PublishedTable,
    Row,
    ScoreTable,
    check_image_scores,
    find_published,
    interval_table,
    read_published,
    results_table,
    score_table,
    table_notes,
    text_tables,
    to_image_rows,
    to_rows,
    without_row,
    write_image_scores,
    write_results,
    write_tables,
)
from irbox.utils.console import console
from irbox.utils.files import check_writable

Convert = Callable[[Mapping[str, Tensor], nn.Module], Mapping[str, Tensor]]


def read_test_config(path: str | Path, options: Mapping[str, Any]) -> Config:
    """Read a config for a test; options for a section that it has not are the validation's.

    Args:
        path: The config.
        options: Values by dotted key. Where the config has no ``test_dataloader``, and is thus
            tested on ``val_dataloader``, ``test_dataloader.dark.batch_size`` stands for
            ``val_dataloader.dark.batch_size``; evaluators alike.

    Raises:
        ValueError, FileNotFoundError, ImportError: See ``load_config``.
    """
    begins = {f'test_{kind}.': f'val_{kind}.' for kind in ('dataloader', 'evaluator')}
    if any(key.startswith(tuple(begins)) for key in options):
        given = {**load_config(path, sections=()).to_dict(), **options}
        for test, val in begins.items():
            if given.get(test[:-1]) is None:
                options = {
                    f'{val}{key.removeprefix(test)}' if key.startswith(test) else key: value
                    for key, value in options.items()
                }
    return load_config(path, options)


def test(
    config: Config,
    checkpoint: Path | None,
    out: Path | None = None,
    sheet: Path | None = None,
    protocol: str | Sequence[str] = (),
    layout: str | None = None,
    published: bool = False,
    per_image: Path | None = None,
    convert: Convert = lambda weights, network: weights,
) -> list[Row]:
    """Score a checkpoint, print the table and write the results into the work dir.

    The results are ``results.json``, a list of rows, and ``table.txt``, ``.csv``, ``.json`` and
    ``.tex``, a table as papers print it, which name protocol, config and checkpoint.

    Args:
        config: As ``load_config`` gives it.
        checkpoint: Any file that a training wrote; the weights must fit exactly. None for a network
            that brings its own (``RestorationNetwork.brings_weights``).
        out: Folder for the restored images.
        sheet: File for a contact sheet.
        protocol: One or several, in place of the config's.
        layout: Published table, or the path of one of your own, whose columns and average the table
            takes; by default each task is a column.
        published: Set that table's rows beside ours. Without ``layout`` it is the one whose columns
            are exactly the tasks.
        per_image: File for the scores of each image, .csv or .parquet.
        convert: From the weights of the file and the network to weights under our names.

    Returns:
        For each protocol a row per task, and the mean.

    Raises:
        ValueError, FileNotFoundError, ImportError, PermissionError: What was asked for cannot be
            done.
    """
    compat.init()
    table = read_published(layout) if layout is not None else None
    content = {'state_dict': {}} if checkpoint is None else read_checkpoint(checkpoint)
    if per_image is not None:
        check_image_scores(per_image)
    parents = (path.parent for path in (sheet, per_image) if path is not None)
    for folder in (work_dir_of(config), out, *parents):
        if folder is not None:
            check_writable(folder)
    if sheet is not None and sheet.suffix.lower() not in ('.png', '.jpg', '.jpeg', '.webp'):
        raise ValueError(f'--contact-sheet {sheet}: the name must end in .png, .jpg or .webp.')
    prepared = prepare_test(config, protocol)
    network: Any = getattr(prepared.model, 'network', prepared.model)
    origin_file = _weights_of(network, checkpoint)
    if checkpoint is not None:
        load_weights(prepared.model, convert(content['state_dict'], network), checkpoint)
        check_frozen(prepared.model, content, checkpoint)
    metrics = prepared.sections['test_evaluator'].metrics
    scored = [one for one in metrics if isinstance(one, RestorationMetric)]
    infos: dict[str, ScoreInfo] = {}
    for metric in metrics:
        infos |= metric.scores if isinstance(metric, ImageMetric) else {}
    used = [one.protocol for one in sorted(scored, key=lambda one: one.qualify)]
    if not used:
        section = tested_sections(config)['evaluator']
        raise ValueError(f'{section} has no RestorationMetric, which the table is made of.')
    if out is not None or sheet is not None:
        prepared.hooks.append(PredictionsHook(out, sheet, protocol=used[0]))
    runner = prepared.runner()
    scores = runner.test()
    rows = to_rows(scores, used)
    if is_main_process():
        folder = Path(runner.work_dir)
        write_results(rows, folder / 'results.json')
        origin = Origin(Path(config.filename).stem, str(origin_file), _sha256(origin_file))
        printed, problem = _lay_out(rows, origin, table, published, infos)
        files = write_tables(printed, folder)
        terminal = console()
        terminal.print(results_table(rows, f'{origin.config}, {origin_file}', infos))
        for name, value in without_row(scores, rows).items():
            terminal.print(f'In no table, since it is of no task: {name} {value:.4g}')
        if per_image is not None:
            images = to_image_rows(runner.test_loop.images, runner.test_loop.tasks, used)
            write_image_scores(images, origin, per_image)
            terminal.print(interval_table(images, infos))
        # Of one set by itself the table above says the same.
        if table is not None or published or 'dataset' not in prepared.sections['test_dataloader']:
            for part in text_tables(printed, terminal.width):
                terminal.print(part)
            for note in table_notes(printed):
                terminal.print(note)
        terminal.print(f'Results: {folder / "results.json"}')
        terminal.print(f'Table: {", ".join(map(str, files))}')
        written = {'Restored images': out, 'Contact sheet': sheet, 'Scores of images': per_image}
        for what, path in written.items():
            if path is not None:
                terminal.print(f'{what}: {path}')
        if problem is not None:
            raise problem
    return rows


def _lay_out(
    rows: Sequence[Row],
    origin: Origin,
    table: PublishedTable | None,
    published: bool,
    infos: Mapping[str, ScoreInfo],
) -> tuple[ScoreTable, ValueError | None]:
    """The table, or a plain one and what is wrong: a long test is not lost for a wrong name."""
    try:
        if published and table is None:
            tasks = [task for task in dict.fromkeys(row.task for row in rows) if task != MEAN]
            table = find_published(tasks)
        return score_table(rows, origin, table, published, infos), None
    except ValueError as error:
        return score_table(rows, origin, infos=infos), error


def _weights_of(network: Any, checkpoint: Path | None) -> Path:
    """The file that the scores are of; exactly one of config and command line names it."""
    brings = getattr(network, 'brings_weights', False)
    if checkpoint is None and not brings:
        raise ValueError(
            'CHECKPOINT is missing: the network of this config does not bring weights of its own.'
        )
    if checkpoint is not None and brings:
        raise ValueError(
            f'The network of this config is {network.checkpoint} itself: leave {checkpoint} out.'
        )
    return (checkpoint or Path(network.checkpoint)).expanduser()


def _sha256(path: Path) -> str:
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()
