"""What ``tools/test.py`` does."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process

from irbox.engine import compat
from irbox.engine.checkpoint import check_frozen, load_weights, read_checkpoint
from irbox.engine.console import console
from irbox.engine.files import check_writable
from irbox.engine.hooks import PredictionsHook
from irbox.engine.preparation import prepare_test, work_dir_of
from irbox.evaluation import RestorationMetric, Row, results_table, to_rows, write_results


def test(
    config: Config,
    checkpoint: Path,
    out: Path | None = None,
    sheet: Path | None = None,
    protocol: str | None = None,
) -> list[Row]:
    """Score a checkpoint, print the table and write ``results.json`` into the work dir.

    Args:
        config: As ``load_config`` gives it.
        checkpoint: Any file that a training wrote; the weights must fit exactly.
        out: Folder for the restored images.
        sheet: File for a contact sheet.
        protocol: In place of the config's.

    Returns:
        A row per task, and the mean.

    Raises:
        ValueError, FileNotFoundError, ImportError, PermissionError: What was asked for cannot be
            done.
    """
    compat.init()
    content = read_checkpoint(checkpoint)
    for folder in (work_dir_of(config), out, sheet.parent if sheet is not None else None):
        if folder is not None:
            check_writable(folder)
    if sheet is not None and sheet.suffix.lower() not in ('.png', '.jpg', '.jpeg', '.webp'):
        raise ValueError(f'--contact-sheet {sheet}: the name must end in .png, .jpg or .webp.')
    prepared = prepare_test(config, protocol)
    load_weights(prepared.model, content['state_dict'], checkpoint)
    check_frozen(prepared.model, content, checkpoint)
    metrics = prepared.sections['test_evaluator'].metrics
    used = next((one.protocol for one in metrics if isinstance(one, RestorationMetric)), None)
    if used is None:
        raise ValueError('test_evaluator has no RestorationMetric, which the table is made of.')
    if out is not None or sheet is not None:
        prepared.hooks.append(PredictionsHook(out, sheet, protocol=used))
    runner = prepared.runner()
    rows = to_rows(runner.test(), used)
    if is_main_process():
        terminal = console()
        results = Path(runner.work_dir, 'results.json')
        write_results(rows, results)
        terminal.print(results_table(rows, f'{Path(config.filename).stem}, {checkpoint}'))
        terminal.print(f'Results: {results}')
        for what, path in (('Restored images', out), ('Contact sheet', sheet)):
            if path is not None:
                terminal.print(f'{what}: {path}')
    return rows
