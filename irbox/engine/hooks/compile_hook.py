"""Compiled blocks."""

from __future__ import annotations

import os
import shutil
from typing import Any, Literal

import torch
from mmengine.hooks import Hook

from irbox.engine.sharding import blocks_of
from irbox.registry import HOOKS

KINDS_OF_BLOCKS = 64
"""Of one class and different sizes that are compiled; the compiler's own limit is 8."""


@HOOKS.register_module()
class CompileHook(Hook):  # type: ignore[misc]  # mmengine has no types
    """Compiles each block of the network with ``torch.compile`` for as long as it trains.

    Blocks of equal sizes share what was compiled, so that the time of compiling grows with the
    number of levels and not with the depth. Validation, whose images have many sizes, runs the
    blocks as they are, and nothing of this is in a checkpoint. What compiled blocks compute differs
    from what blocks compute by rounding.

    Args:
        backend: ``'inductor'``, which needs a C++ compiler on a CPU and Triton on a GPU;
            ``'aot_eager'`` and ``'eager'`` compile nothing and show whether blocks can be traced.
    """

    def __init__(self, backend: Literal['inductor', 'aot_eager', 'eager'] = 'inductor') -> None:
        self.backend = backend
        compiler = os.environ.get('CXX', 'g++')
        if backend == 'inductor' and not torch.cuda.is_available() and not shutil.which(compiler):
            raise ValueError(
                f'compile_blocks needs a C++ compiler, and there is no {compiler}. Install one '
                '(Debian: apt-get install g++) or set compile_blocks=false.'
            )

    def before_train(self, runner: Any) -> None:
        """Compile the blocks; the compiler starts when they are first called."""
        limits = torch._dynamo.config
        limits.recompile_limit = max(limits.recompile_limit, KINDS_OF_BLOCKS)
        for block in blocks_of(runner.model):
            block.forward = torch.compile(block.forward, backend=self.backend, dynamic=False)

    def before_val(self, runner: Any) -> None:
        """Put the blocks back as they are."""
        for block in blocks_of(runner.model):
            vars(block).pop('forward', None)

    def after_val(self, runner: Any) -> None:
        """Compile the blocks again, from what was compiled before."""
        self.before_train(runner)

    def after_train(self, runner: Any) -> None:
        """Put the blocks back as they are."""
        self.before_val(runner)
