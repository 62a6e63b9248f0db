"""mmengine's Runner, safe to resume and quiet on the terminal."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from mmengine.dist import all_reduce, is_main_process, master_only
from mmengine.logging import MMLogger
from mmengine.runner import LogProcessor, Runner
from torch import nn

from irbox import __version__
from irbox.config.load_config import config_text
from irbox.engine.check_fit import check_fit
from irbox.engine.checkpoint import (
    check_frozen,
    check_weights,
    frozen_records,
    load_weights,
    named_for,
    pack_message_hub,
    read_checkpoint,
    unpack_message_hub,
    write_checkpoint,
)
from irbox.engine.environment import describe_environment
from irbox.engine.finite_log_processor import FiniteLogProcessor
from irbox.engine.schedule import beyond_the_schedule
from irbox.engine.sharding import (
    is_sharded,
    recompute_blocks,
    shard,
    spread,
    spread_optimizer,
    twin,
    whole,
)
from irbox.engine.shards import write_shards
from irbox.engine.stop_signals import StopSignals
from irbox.engine.training_state import check_resumable
from irbox.engine.wrapping import data_parallel, unwrapped
from irbox.utils.collector import collector_spared
from irbox.utils.console import console, quieten
from irbox.utils.files import write_text


class RestorationRunner(Runner):  # type: ignore[misc]  # mmengine has no types
    """Trains and tests like mmengine's Runner, with these differences.

    * Checkpoints hold tensors and plain values only, are read without running code, are written
      whole or not at all, and must fit the model exactly.
    * Resuming with another seed is refused; paths of a copied work dir are moved with it.
    * Works on several CPU processes.
    * The terminal shows warnings and what hooks print; the log file has what concerns this run, and
      with ``log_level: DEBUG`` mmengine's own affairs, too.
    * What JSON cannot hold is in none of the log's JSON files.
    * An error inside a hook keeps its traceback.
    * The whole config stands as ``config.yaml`` in the work dir and beside the log.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.signals = StopSignals()
        self._agreed = False
        self.twin: nn.Module | None = None
        super().__init__(*args, **kwargs)

    identity = ''
    """Of the run, see ``irbox.engine.work_dir``."""

    def build_logger(self, log_level: int | str = 'INFO', **kwargs: Any) -> MMLogger:
        """Build mmengine's logger, its terminal output cut to warnings."""
        logger = super().build_logger(log_level, **kwargs)
        quieten(logger, keep_all=log_level in ('DEBUG', logging.DEBUG))
        return logger

    def build_log_processor(self, log_processor: LogProcessor | dict[str, Any]) -> LogProcessor:
        """Build ours, unless the config names another."""
        if isinstance(log_processor, dict) and 'type' not in log_processor:
            return FiniteLogProcessor(**log_processor)
        return super().build_log_processor(log_processor)

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call a method of all hooks that have it."""
        # mmengine catches every TypeError here and loses the line where it happened.
        for hook in self._hooks:
            if hasattr(hook, fn_name):
                getattr(hook, fn_name)(self, **kwargs)

    def train(self) -> nn.Module:
        """Launch training; SIGTERM and SIGINT end it with a checkpoint, see ``is_told_to_stop``."""
        try:
            with self.signals, collector_spared():
                return cast(nn.Module, super().train())
        finally:
            self._end()

    def _end(self) -> None:
        """Let hooks leave, and close the log: each run in a process has one of its own."""
        self.call_hook('on_exit')
        self.visualizer.close()
        for handler in list(self.logger.handlers):
            if isinstance(handler, logging.FileHandler):
                self.logger.removeHandler(handler)
                handler.close()

    @property
    def is_told_to_stop(self) -> bool:
        """Tell whether a signal came, to any process, that all of them know of."""
        if self.world_size == 1:
            return self.signals.received is not None
        return self._agreed

    def agrees_to_stop(self) -> bool:
        """Ask all processes, which must all ask, whether a signal came."""
        if self.world_size > 1:
            told = torch.tensor(float(self.signals.received is not None))
            all_reduce(told, 'max')
            self.note_stop(told.item())
        return self.is_told_to_stop

    def note_stop(self, told: float) -> None:
        """Note that some process was told to stop, where the number is not 0."""
        self._agreed = self._agreed or bool(told)

    def test(self) -> dict[str, float]:
        """Launch testing; gives the metrics."""
        try:
            with collector_spared():
                return cast(dict[str, float], super().test())
        finally:
            self._end()

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """Move the model to its device and prepare it for several processes, see ``wrapping``."""
        trained = self._train_loop is not None
        if trained and self.cfg.get('recompute_blocks'):
            recompute_blocks(model)
        if trained and self.cfg.get('strategy') == 'fsdp2':
            self.twin = shard(twin(model)) if self.cfg.get('ema') else None
            return shard(model)
        if self.distributed:
            model_wrapper_cfg = data_parallel(self.cfg, model_wrapper_cfg)
        return cast(nn.Module, super().wrap_model(model_wrapper_cfg, model))

    def _init_model_weights(self) -> None:
        # Drawn from the seed, the same everywhere; mmengine would send whole weights around.
        if not is_sharded(self.model):
            super()._init_model_weights()

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict[str, Any] | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict[str, Any] | None = None,
        by_epoch: bool = False,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        """Write a checkpoint; the signature is what mmengine's hooks call.

        Args:
            out_dir: Folder.
            filename: Name in it.
            file_client_args: Of mmengine's remote storages, which are not supported.
            save_optimizer: Keep the optimiser's state, which resuming needs.
            save_param_scheduler: Keep the schedulers' states.
            meta: What to record beside the config, the seed, the iteration and the version.
            by_epoch: Training counts iterations; must be false.
            backend_args: See ``file_client_args``.
        """
        assert not by_epoch and not file_client_args and not backend_args
        self.call_hook('before_saving')
        sharded = is_sharded(self.model)
        if not is_main_process() and not sharded:
            return
        meta = {'epoch': self.epoch, 'iter': self.iter + 1} | (meta or {})
        meta |= {
            'draws': self.train_loop.draws_after(meta['iter']),
            'cfg': config_text(self.cfg),
            'seed': self.seed,
            'experiment_name': self.experiment_name,
            'time': time.strftime('%Y%m%d_%H%M%S'),
            'irbox_version': __version__,
            'frozen': frozen_records(self.model),
            'run': self.identity,
        }
        content: dict[str, Any] = {'meta': meta, 'state_dict': unwrapped(self.model).state_dict()}
        if save_optimizer:
            content['optimizer'] = self.optim_wrapper.state_dict()
        if save_param_scheduler:
            content['param_schedulers'] = [
                scheduler.state_dict() for scheduler in self.param_schedulers or ()
            ]
        self.call_hook('before_save_checkpoint', checkpoint=content)
        content['message_hub'] = pack_message_hub(self.message_hub)
        path = Path(out_dir, filename)
        if sharded:
            content = write_shards(content, path) if save_optimizer else whole(content)
        if is_main_process():
            write_checkpoint(content, path)

    def load_checkpoint(
        self,
        filename: str,
        map_location: str | Callable[..., Any] = 'cpu',
        strict: bool = True,
        revise_keys: Any = None,
    ) -> dict[str, Any]:
        """Load weights that fit the model exactly; gives the whole checkpoint.

        Args:
            filename: Of this machine.
            map_location: As for ``torch.load``.
            strict: Must be true.
            revise_keys: Of mmengine, not supported.

        Raises:
            FileNotFoundError, ValueError: See ``read_checkpoint`` and ``load_weights``.
        """
        assert strict and not revise_keys
        checkpoint = read_checkpoint(filename, map_location)
        # Here, for the averages as well, which take them by a hook.
        checkpoint['state_dict'] = named_for(unwrapped(self.model), checkpoint['state_dict'])
        self._take_weights(checkpoint, filename)
        return checkpoint

    def _take_weights(self, checkpoint: dict[str, Any], filename: str) -> None:
        check_weights(unwrapped(self.model), checkpoint['state_dict'], filename)
        check_frozen(unwrapped(self.model), checkpoint, filename)
        checkpoint = spread(checkpoint, self.model)
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        load_weights(unwrapped(self.model), checkpoint['state_dict'], filename)
        self._has_loaded = True
        self.logger.info(f'Loaded {filename}')

    def resume(self, filename: str, *_: Any, **__: Any) -> None:
        """Continue from a checkpoint as if the run had not been interrupted.

        Raises:
            ValueError: The checkpoint holds weights only, does not fit the model or the optimiser,
                or was trained with another seed.
        """
        checkpoint = read_checkpoint(filename)
        check_resumable(checkpoint, filename, self.seed, self.max_iters)
        schedulers = self.param_schedulers or ()
        model = unwrapped(self.model)
        check_fit(checkpoint, filename, model, self.hooks, self.optim_wrapper, schedulers)
        hub = unpack_message_hub(checkpoint['message_hub'], self.work_dir)
        # From here on all of it fits.
        self._take_weights(checkpoint, filename)
        self.message_hub.load_state_dict(hub)
        self.optim_wrapper.load_state_dict(
            spread_optimizer(checkpoint['optimizer'], self.optim_wrapper.optimizer)
        )
        for scheduler, state in zip(schedulers, checkpoint['param_schedulers'], strict=True):
            scheduler.load_state_dict(state)
        meta = checkpoint['meta']
        self.train_loop.continue_from(meta['iter'], meta['draws'])
        self.logger.info(f'Resumed from {filename} after iteration {meta["iter"]}')
        rates = itertools.chain.from_iterable(self.optim_wrapper.get_lr().values())
        if text := beyond_the_schedule(schedulers, meta['iter'], self.max_iters, rates):
            self.logger.info(text)
            if is_main_process():
                console().print(text)

    @master_only  # type: ignore[untyped-decorator]  # mmengine has no types
    def dump_config(self) -> None:
        """Write the whole config: beside the log, and of a training into the work dir."""
        # The work dir has that of the latest run; each log keeps its own.
        for folder in [self.log_dir] + [self.work_dir] * (self._train_loop is not None):
            write_text(Path(folder, 'config.yaml'), config_text(self.cfg))

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """Log what a run depends on. mmengine's version starts compilers to ask for theirs."""
        lines = describe_environment() | {'processes': self.world_size, 'seed': self.seed}
        self.logger.info('\n'.join(['Environment:', *(f'  {k}: {v}' for k, v in lines.items())]))
        self.logger.info(f'The whole config: {Path(self.log_dir, "config.yaml")}')
