"""Any backbone of timm as a prior."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from annotated_types import MinLen
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.priors.timm_weights import FrozenPart, load_backbone, load_prior
from irbox.registry import PRIORS
from irbox.structures import DegradationPrior
from irbox.utils.bounded import PositiveInt
from irbox.utils.optional import require

# Backbones shrink an image by 32; below that, some have no pixel left.
SMALLEST = 32


@PRIORS.register_module()
class TimmPrior(nn.Module):
    """Tells what a backbone of timm sees in an image: learned with the network, or frozen.

    ``features`` is the backbone's pooled output, F its width; ``content`` repeats it.
    ``probabilities`` is a linear layer and a softmax on it, one per label; with
    ``DegradationLabelLoss`` of the same names, in the same order, it learns to tell the
    degradations apart. Nothing is ever downloaded.

    Built under ``torch.device('meta')`` it needs no file.

    Args:
        backbone: A name from ``timm.list_models()``, such as ``'resnet18'`` (F = 512, like
            DA-CLIP).
        labels: Names of the degradations, in the order of ``probabilities``; D is their number.
        weights: A file: weights of this backbone as timm publishes them (``.safetensors`` or
            ``.pth``; its classifier is left out), or a checkpoint of a network that irbox trained
            with this prior, from which its labels' layer is taken, too. None: random weights.
        frozen: ``'nothing'``; ``'backbone'``: only the labels' layer is learned; ``'all'``: a prior
            that an earlier training has made, which is then part of no checkpoint: its file's name
            and sha256 are.
        size: Side of the square that images are resized to (bilinear, antialiased). None: as they
            are, or the size that the backbone is bound to, as transformers are. Resizing takes
            noise and thin rain away; a large ``size`` or None keeps them.
        options: What else ``timm.create_model`` takes for this backbone, such as ``{norm_layer:
            layernorm2d}`` for a ResNet.

    Raises:
        FileNotFoundError: There is no file ``weights``; says where the published one is.
        ImportError: timm is missing.
        ValueError: The backbone, an option or a size is unknown to timm, the file does not fit, its
            labels are others, or what is frozen has no weights.

    Note:
        Batch normalisation mixes the images of a batch while it trains, whatever degraded them, and
        each process of a distributed training keeps its own statistics. Backbones with other norms
        (``convnext``, ``vit``, or ``norm_layer: layernorm2d``) do neither; nor does a frozen one.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: str,
        labels: Annotated[Sequence[str], MinLen(1)],
        weights: str | Path | None = None,
        frozen: Literal['nothing', 'backbone', 'all'] = 'nothing',
        size: PositiveInt | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if len(set(labels)) != len(labels):
            raise ValueError(f'TimmPrior: labels={labels!r} must be a list of different names.')
        if frozen != 'nothing' and weights is None:
            raise ValueError(
                f'TimmPrior: frozen={frozen!r} keeps random weights for ever. Name a file under '
                "weights, or train them: frozen: 'nothing'."
            )
        self.labels = list(labels)
        self.num_degradations = len(self.labels)
        model: Any = _create(backbone, dict(options or {}))
        data = require('timm', needed_by='TimmPrior').data.resolve_model_data_config(model)
        self.size = _size(backbone, model, data['input_size'], size)
        for name in ('mean', 'std'):
            values = torch.tensor(data[name], device='cpu').view(3, 1, 1)
            self.register_buffer(name, values, persistent=False)
        self.feature_dim: int = getattr(model, 'head_hidden_size', None) or model.num_features
        self.backbone: nn.Module = model
        self.classify: nn.Module = nn.Linear(self.feature_dim, self.num_degradations)
        if weights is not None and torch.get_default_device().type != 'meta':
            self._load(Path(weights).expanduser(), needs_labels=frozen == 'all')
        if frozen != 'nothing':
            settings = {'backbone': backbone, 'size': self.size}
            self.backbone = FrozenPart(self.backbone, weights, settings)
        if frozen == 'all':
            self.classify = FrozenPart(self.classify, weights, {'labels': self.labels})

    def forward(self, image: Tensor) -> DegradationPrior:
        """Describe images (B, 3, H, W), RGB, 0 to 1, of any size."""
        with self._gradient():
            features = self.backbone(self._prepare(image)).float()
        scores = self.classify(features).float()
        return DegradationPrior(features, scores.softmax(-1), content=features)

    def _gradient(self) -> AbstractContextManager[Any]:
        return torch.no_grad() if isinstance(self.backbone, FrozenPart) else nullcontext()

    def _prepare(self, image: Tensor) -> Tensor:
        """Resize and normalise."""
        if self.size is not None:
            image = F.interpolate(image, (self.size, self.size), mode='bilinear', antialias=True)
        bottom, right = (max(SMALLEST - side, 0) for side in image.shape[-2:])
        if bottom or right:
            image = F.pad(image, (0, right, 0, bottom), mode='replicate')
        return (image - self.mean.to(image)) / self.std.to(image)

    def _load(self, path: Path, needs_labels: bool) -> None:
        if load_prior(path, self.backbone, self.classify, self.labels):
            return
        if needs_labels:
            raise ValueError(
                f"{path} holds a backbone without the labels' layer, and frozen='all' would leave "
                "it random. Use frozen='backbone', or a checkpoint that irbox trained with "
                'TimmPrior.'
            )
        load_backbone(path, self.backbone)
        print_log(f'TimmPrior: the backbone is {path}.', 'current', logging.INFO)


def _create(name: str, options: dict[str, Any]) -> nn.Module:
    timm = require('timm', needed_by='TimmPrior')
    if not timm.is_model(name):
        near = get_close_matches(name, timm.list_models(), n=3)
        hint = f'Did you mean {" or ".join(near)}? ' if near else ''
        raise ValueError(
            f'timm {timm.__version__} has no model {name!r}. {hint}timm.list_models() has all.'
        )
    try:
        model: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, **options)
    except (TypeError, RuntimeError, AssertionError, ValueError, KeyError) as error:
        raise ValueError(f'timm cannot build {name} with options={options}: {error}') from error
    return model


def _size(
    name: str, model: nn.Module, input_size: tuple[int, int, int], size: int | None
) -> int | None:
    """The side of what the backbone sees, None for any."""
    bound = getattr(model, 'pretrained_cfg', {}).get('fixed_input_size', False)
    if not bound:
        return size
    # timm's entry is of the published weights; options may have built another.
    built = getattr(getattr(model, 'patch_embed', None), 'img_size', None)
    side = built[0] if built else input_size[-1]
    if size is not None and size != side:
        raise ValueError(
            f'TimmPrior: {name} is bound to images of {side}, size={size} does not fit. Leave size '
            f'out, or set options: {{img_size: {size}}}.'
        )
    return side
