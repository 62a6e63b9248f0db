"""Files in every form in which DA-CLIP is released or kept, with random weights."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from irbox.priors.daclip.composition import DACLIP, architecture

TINY_ARCH: dict[str, Any] = {
    'embed_dim': 16,
    'vision_cfg': {
        'image_size': 32,
        'patch_size': 16,
        'layers': 3,
        'width': 32,
        'head_width': 16,
    },
    # The vocabulary is the tokenizer's.
    'text_cfg': {
        'context_length': 77,
        'vocab_size': 49408,
        'width': 16,
        'heads': 2,
        'layers': 2,
    },
}
"""Towers for tests (option ``arch`` of ``DACLIPPrior``): F = 16, under a million parameters."""

FORMS = ('raw', 'wrapped', 'module', 'training', 'safetensors')


def random_daclip(arch: str | Mapping[str, Any] = TINY_ARCH, seed: int = 0) -> DACLIP:
    """DA-CLIP with random weights, those of the linears too, which are zero before training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = DACLIP(architecture(arch))
        for linear in model.visual_control.transformer.zero_modules:
            nn.init.normal_(linear.weight, std=linear.in_features**-0.5)
            nn.init.normal_(linear.bias, std=0.1)
    return model.eval()


def write_daclip_file(
    path: Path, form: str = 'raw', arch: str | Mapping[str, Any] = TINY_ARCH, seed: int = 0
) -> DACLIP:
    """Write a file with random weights.

    Args:
        path: Where; named ``.safetensors`` for that form, ``.pt`` for the others.
        form: ``'raw'`` (the state dict, the image tower listed twice), ``'wrapped'`` (under
            ``state_dict``), ``'module'`` (and keys with ``module.``), ``'training'`` (and the state
            of AdamW, 1.74 GB for ViT-B-32, as released) or ``'safetensors'`` (converted).
        arch: See ``DACLIPPrior``; ``'ViT-B-32'`` makes 0.99 GB.
        seed: Of the weights.

    Returns:
        The model whose weights were written.
    """
    model = random_daclip(arch, seed)
    state = {key: tensor.detach() for key, tensor in model.state_dict().items()}
    if form == 'safetensors':
        save_file(state, path)
        return model
    prefix = 'clip.visual.'
    state |= {f'visual.{k.removeprefix(prefix)}': t for k, t in state.items() if prefix in k}
    content: dict[str, Any] = state
    if form == 'wrapped':
        content = {'epoch': 1, 'name': 'random', 'state_dict': state}
    elif form in ('module', 'training'):
        content = {'state_dict': {f'module.{key}': tensor for key, tensor in state.items()}}
    elif form != 'raw':
        raise ValueError(f'There is no form {form!r}. Known: {", ".join(FORMS)}.')
    if form == 'training':
        content |= {'epoch': 1, 'name': 'random', 'optimizer': _optimizer_state(model)}
        content['scaler'] = {'scale': 65536.0, 'growth_interval': 2000}
    torch.save(content, path, pickle_module=_NUMPY_1_PICKLE)
    return model


def _optimizer_state(model: DACLIP) -> dict[str, Any]:
    trained: list[Tensor] = [*model.visual_control.parameters(), model.logit_scale]
    state = {
        index: {'step': torch.tensor(1.0), 'exp_avg': weight * 0, 'exp_avg_sq': weight * 0}
        for index, weight in enumerate(parameter.detach() for parameter in trained)
    }
    # A cosine schedule left a numpy float here, which is what makes a plain safe load refuse the
    # file.
    return {'state': state, 'param_groups': [{'lr': np.float64(3e-5), 'params': list(state)}]}


class _Numpy1Pickler(pickle._Pickler):
    """Names numpy's scalars as numpy 1 did, with which the released files were written."""

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj is np.float64(0).__reduce__()[0]:
            self.write(pickle.GLOBAL + b'numpy.core.multiarray\nscalar\n')
            self.memoize(obj)
        else:
            super().save_global(obj, name)


_NUMPY_1_PICKLE = SimpleNamespace(Pickler=_Numpy1Pickler, __name__='pickle')
