"""Checkpoints as their authors published them, told apart by their keys and read as ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from irbox.config.load_config import load_config
from irbox.config.shipped_configs import shipped_config
from irbox.conversion.convert import SYSTEMS as BUILT_IN
from irbox.conversion.convert import converter_of

Weights = Mapping[str, Tensor]

# Every key of a Restormer: other systems hold these and more.
_RESTORMER = re.compile(
    r'(patch_embed\.proj|((en|de)coder_level[123]|latent|refinement)\.\d+\.(norm[12]\.body'
    r'|attn\.(qkv|qkv_dwconv|project_out)|ffn\.(project_in|dwconv|project_out))'
    r'|(down1_2|down2_3|down3_4|up4_3|up3_2|up2_1)\.body\.0|reduce_chan_level[23]|output)'
    r'\.(weight|bias)$|.*\.attn\.temperature$'
)
_LEVELS = ('encoder_level1', 'encoder_level2', 'encoder_level3', 'latent')
_MOCE_LEVELS = ('enc.0.0.layers', 'enc.1.0.layers', 'enc.2.0.layers', 'latent.layers')


def _sizes(
    released: Weights,
    levels: Sequence[str] = _LEVELS,
    refinement: str = 'refinement',
    attention: str = 'attn',
) -> dict[str, Any]:
    heads = [released.get(f'{chain}.0.{attention}.temperature') for chain in levels]
    found: dict[str, Any] = {
        'dim': len(released['patch_embed.proj.weight']),
        'depths': [_length(released, chain) for chain in levels],
        'refinement': _length(released, refinement),
    }
    # M2Restore has no attention in its bottleneck.
    known = [len(one) for one in heads if one is not None]
    return found | {'heads': known} if len(known) == len(levels) else found


def _promptir_sizes(released: Weights) -> dict[str, Any]:
    prompts = [released[f'prompt{number}.prompt_param'].shape for number in (3, 2, 1)]
    return _sizes(released) | {
        'prompt_dims': [shape[-3] for shape in prompts],
        'prompt_sizes': [shape[-1] for shape in prompts],
    }


def _moce_ir_sizes(released: Weights) -> dict[str, Any]:
    decoder = [_length(released, f'dec.{place}.2.layers') for place in range(3)]
    return _sizes(released, _MOCE_LEVELS, 'refinement.layers', 'mixer') | {
        'decoder_depths': decoder
    }


def _length(released: Weights, chain: str) -> int:
    """How many blocks a chain has."""
    begins = re.compile(rf'{re.escape(chain)}\.(\d+)\.')
    return 1 + max((int(found[1]) for key in released if (found := begins.match(key))), default=-1)


@dataclass(frozen=True)
class PublishedSystem:
    """A system whose published checkpoints are read as they are."""

    name: str
    """What it is called."""
    config: str
    """The config of irbox that its weights are for."""
    marks: tuple[str, ...]
    """Keys that tell it from the others."""
    sizes: Callable[[Weights], dict[str, Any]] = _sizes
    """Reads off bare names and shapes what of a network's config they set."""
    every: re.Pattern[str] | None = None
    """What every key must match."""
    built_in: str | None = None
    """Its name among the converters of the package; others are in a plug-in of the config."""

    def config_for(self, released: Weights) -> dict[str, Any]:
        """Give the config of the network that weights are for, as wide and deep as they are.

        Raises:
            FileNotFoundError: This installation lacks the config.
        """
        content = load_config(shipped_config(self.config), sections=['model']).to_dict()
        content['model']['network'] |= self.sizes(_bare(released))
        return {'model': content['model'], 'plugins': content.get('plugins') or []}

    def convert(self, released: Weights, network: nn.Module) -> dict[str, Tensor]:
        """Give published weights the names of a network's own.

        Args:
            released: The weights.
            network: Of ``config_for``, or of another config for them; may be on the meta device.

        Raises:
            ValueError: They do not fit.
        """
        if self.built_in:
            return BUILT_IN[self.built_in](released, network)
        plugins = load_config(shipped_config(self.config), sections=['model']).get('plugins') or ()
        return converter_of(self.config, plugins)(released, network)


_STEM = ('patch_embed.proj.weight', 'output.weight')
_NORM = 'encoder_level1.0.norm1.body'
PUBLISHED = (
    PublishedSystem(
        'M2Restore',
        'm2restore_allweather_official',
        (*_STEM, 'mcdb1.model.w_g', 'fre1.para1'),
        built_in='m2restore',
    ),
    PublishedSystem('AdaIR', 'plugins/adair_official', (*_STEM, 'fre1.para1')),
    PublishedSystem(
        'PromptIR',
        'plugins/promptir',
        (*_STEM, *(f'prompt{number}.prompt_param' for number in (1, 2, 3))),
        _promptir_sizes,
    ),
    PublishedSystem(
        'MoCE-IR', 'plugins/moce_ir', (*_STEM, 'freq_embed.mlp.0.weight'), _moce_ir_sizes
    ),
    PublishedSystem(
        'Restormer', 'plugins/restormer_derain', (*_STEM, f'{_NORM}.bias'), every=_RESTORMER
    ),
    PublishedSystem(
        'Restormer, bias-free',
        'plugins/restormer_denoise',
        (*_STEM, f'{_NORM}.weight'),
        every=_RESTORMER,
    ),
)
"""In the order in which they are tried."""


def recognize(released: Weights) -> PublishedSystem | None:
    """Tell whose published weights these are, by their names; None where of nobody known.

    Args:
        released: Names with or without a leading ``module.`` or ``net.``; tensors on the meta
            device will do.
    """
    keys = _bare(released).keys()
    for system in PUBLISHED:
        if all(mark in keys for mark in system.marks) and (
            system.every is None or all(map(system.every.match, keys))
        ):
            return system
    return None


def as_ours(released: Weights, network: nn.Module, prefix: str = '') -> Weights:
    """Give weights the names of a network's own where they are known as published ones.

    Args:
        released: Weights; those that are not known are given back as they are.
        network: What they are for.
        prefix: In front of the new names.

    Raises:
        ValueError: They are known, and do not fit the network.
    """
    system = recognize(released)
    if system is None:
        return released
    return {f'{prefix}{key}': one for key, one in system.convert(released, network).items()}


def _bare(released: Weights) -> dict[str, Tensor]:
    return {re.sub(r'^(module\.)?(net\.)?', '', key): one for key, one in released.items()}
