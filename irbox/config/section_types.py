"""What stands in the sections of a config that describe no part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from irbox.utils.bounded import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt


class Loader(TypedDict, total=False):
    """A data loader; the parts in it are checked as such."""

    dataset: Any
    sampler: Any
    batch_sampler: Any
    collate_fn: Any
    worker_init_fn: Any
    batch_size: PositiveInt
    num_workers: NonNegativeInt
    pin_memory: bool
    drop_last: bool
    timeout: NonNegativeFloat
    multiprocessing_context: str | None
    prefetch_factor: PositiveInt | None
    persistent_workers: bool
    pin_memory_device: str
    in_order: bool
    disable_subprocess_warning: bool


class CustomKey(TypedDict, total=False):
    """Factors for the weights whose names hold a key."""

    lr_mult: float
    decay_mult: float


class ParamwiseCfg(TypedDict, total=False):
    """Factors of learning rate and weight decay by kind of weight."""

    custom_keys: Mapping[str, CustomKey]
    bias_lr_mult: float | None
    bias_decay_mult: float | None
    norm_decay_mult: float | None
    flat_decay_mult: float | None
    dwconv_decay_mult: float | None
    dcn_offset_lr_mult: float | None
    bypass_duplicate: bool


class ClipGrad(TypedDict, total=False):
    """Clipping of gradients."""

    type: Literal['norm', 'value']
    max_norm: PositiveFloat
    # Infinity is one.
    norm_type: Any
    error_if_nonfinite: bool
    foreach: bool | None
    clip_value: PositiveFloat


class MpCfg(TypedDict, total=False):
    """How processes are started."""

    mp_start_method: Literal['fork', 'spawn', 'forkserver'] | None
    opencv_num_threads: NonNegativeInt | None


class DistCfg(TypedDict, total=False):
    """How processes meet."""

    timeout: PositiveFloat | None


class Environment(TypedDict, total=False):
    """``env_cfg``."""

    cudnn_benchmark: bool
    mp_cfg: MpCfg | None
    dist_cfg: DistCfg | None
    resource_limit: PositiveInt


class Randomness(TypedDict, total=False):
    """``randomness``."""

    seed: NonNegativeInt | None
    deterministic: bool


class AutoScaleLR(TypedDict, total=False):
    """``auto_scale_lr``."""

    enable: bool
    base_batch_size: PositiveInt


class CustomImports(TypedDict, total=False):
    """``custom_imports``."""

    imports: str | list[str]
    allow_failed_imports: bool
