"""DA-CLIP as a prior."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, Self

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn import functional as F

from irbox.priors.daclip.cache import PriorCache
from irbox.priors.daclip.composition import (
    DACLIP,
    architecture,
    degradation_features,
    image_features,
    open_clip_module,
)
from irbox.priors.daclip.files import find_checkpoint
from irbox.priors.daclip.loading import empty_daclip, load_daclip
from irbox.priors.daclip.preprocess import prepare
from irbox.priors.daclip.presets import settings
from irbox.registry import PRIORS
from irbox.structures import DegradationPrior
from irbox.utils.frozen import FrozenModule, check_record
from irbox.utils.precision import full_precision
from irbox.utils.weights import fingerprint

PRECISIONS = {'fp32': None, 'bf16': torch.bfloat16, 'fp16': torch.float16}


@PRIORS.register_module()
class DACLIPPrior(FrozenModule):
    """Tells what DA-CLIP, a CLIP that was taught degradations, sees in an image; frozen.

    ``features`` is the degradation embedding, ``probabilities`` the softmax of its similarities
    with the words, ``content`` the embedding of the content that it guides CLIP to. Only the towers
    that the settings need are kept: the text tower until the words are embedded, CLIP's image tower
    and the linears with ``content: image`` alone.

    Built under ``torch.device('meta')`` it needs no file: shapes and parameter counts are right,
    values there are none.

    Args:
        words: Names of the degradations, bare, in the order of ``probabilities``; D is their
            number.
        preset: ``'official'``, ``'m2restore_paper'``, ``'m2restore_code'`` or ``'m2ir'``: what the
            options left at None become (``irbox/priors/daclip/presets.py``).
        arch: ``'ViT-B-32'`` (F = 512), ``'ViT-L-14'`` (F = 768), or a mapping of tower sizes as in
            open_clip's files.
        checkpoint: A file in any released or converted form, or ``hf://owner/repository/file``. By
            default the file that ``IRBOX_DACLIP_CKPT`` names, else the one of the published name in
            the folder ``weights``.
        content: ``'image'``, or ``'features'``: ``content`` repeats ``features`` and CLIP's image
            tower is not built.
        normalize_features: Scale ``features`` to length one.
        normalize_content: Scale ``content`` to length one.
        similarity: What ``probabilities`` holds: ``'probability'`` sums to one over the words;
            ``'cosine'``, and ``'logit'`` (times the temperature), for readings of M2IR's S(I, text)
            that do not, hence for parts that bear it.
        temperature: Factor before the softmax; DA-CLIP's literal 100, not the learned scale.
        resize: ``'bicubic'`` or ``'bilinear'``, antialiased, of the shorter side to the tower's
            224.
        normalization: ``'clip'``, ``'half'`` (-1 to 1) or ``'none'`` (0 to 1): what the towers see.
        precision: ``'fp32'``, ``'bf16'`` or ``'fp16'`` inside the towers, whatever autocast
            surrounds them. Similarities are float32 always: half precision has steps of 0.06 to 0.5
            at the logits' size.
        cache: A folder that keeps the priors of images on disk, used while the network is in
            evaluation mode. An entry fits the very same pixels only, so it helps for fixed
            evaluation sets.
        download: Fetch the published file from the hub (1.74 or 5.66 GB) where none is found.
        allow_random: Without ``checkpoint``, take seeded random weights and look for no file: for
            tests.

    Raises:
        ImportError: open_clip is missing.
        FileNotFoundError: No weights are found; lists the places tried.
        ValueError: An option is unknown, or the file is refused, unreadable or of another
            architecture.

    Note:
        Composed on the released open_clip (``irbox/priors/daclip/composition.py``), not on the fork
        that DA-CLIP's code brings. The fork's quirks concern its training only. M2Restore's code
        hands images in -1..1 without CLIP's statistics to the tower (``m2restore_code``); DA-CLIP's
        own scripts and the other presets use them.
    """

    text: Tensor

    def __init__(
        self,
        words: Sequence[str] | None = None,
        preset: str = 'official',
        arch: str | Mapping[str, Any] = 'ViT-B-32',
        checkpoint: str | None = None,
        content: Literal['image', 'features'] | None = None,
        normalize_features: bool | None = None,
        normalize_content: bool | None = None,
        similarity: Literal['probability', 'cosine', 'logit'] | None = None,
        temperature: float | None = None,
        resize: Literal['bicubic', 'bilinear'] | None = None,
        normalization: Literal['clip', 'half', 'none'] | None = None,
        precision: Literal['fp32', 'bf16', 'fp16'] = 'fp32',
        cache: str | None = None,
        download: bool = False,
        allow_random: bool = False,
    ) -> None:
        super().__init__()
        self.settings = settings(
            preset,
            {
                'words': words,
                'content': content,
                'normalize_features': normalize_features,
                'normalize_content': normalize_content,
                'similarity': similarity,
                'temperature': temperature,
                'resize': resize,
                'normalization': normalization,
            },
        )
        if precision not in PRECISIONS:
            raise ValueError(
                f'DACLIPPrior takes precision from {", ".join(PRECISIONS)}, got {precision!r}.'
            )
        self.precision = precision
        sizes = architecture(arch)
        self.arch = arch if isinstance(arch, str) else sizes
        self.size = sizes['vision_cfg'].get('image_size', 224)
        self.feature_dim = sizes['embed_dim']
        self.labels = list(self.settings.words)
        self.num_degradations = len(self.labels)
        self.file: str | None = None
        self.sha256: str | None = None
        model = self._build(sizes, checkpoint, download, allow_random)
        self.total_parameters = sum(parameter.numel() for parameter in model.parameters())
        """Parameters of the whole of DA-CLIP, built or not; ``parameters()`` has what was built."""
        self.register_buffer('text', _embed_words(model, self.settings.words), persistent=False)
        self.controller = model.visual_control
        self.visual: nn.Module | None = None
        if self.settings.content == 'image':
            self.visual = model.clip.visual
        else:
            self.controller.transformer.zero_modules = nn.ModuleList()
        for parameter in self.parameters():
            # Out of the file's pages, which may change under us, into memory of our own.
            parameter.data = parameter.data.clone()
        self.freeze()
        self.cache: PriorCache | None = None
        if cache is not None:
            identity = self.checkpoint_record() | {'file': None}
            self.cache = PriorCache(Path(cache).expanduser(), identity)
        self.images_stay = False
        """Whether the network is being evaluated, so that an image may come again."""

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode; remember whether the network trains: no caching then."""
        self.images_stay = not mode
        return super().train(mode)

    @torch.no_grad()
    def forward(self, image: Tensor) -> DegradationPrior:
        """Describe images.

        Args:
            image: (B, 3, H, W), RGB, 0 to 1, any size. No gradient flows to it.

        Returns:
            Features (B, F), probabilities (B, D) and content (B, F), float32.

        Raises:
            ValueError: The image has another shape or whole numbers.
        """
        if image.ndim != 4 or image.shape[1] != 3 or not image.is_floating_point():
            raise ValueError(
                'DACLIPPrior needs images (B, 3, H, W) of floats in 0 to 1, '
                f'got {tuple(image.shape)} of {image.dtype}.'
            )
        if self.cache is None or not self.images_stay or torch.compiler.is_compiling():
            return self._describe(image)
        return self.cache.look_up(image, self._describe)

    def checkpoint_record(self) -> dict[str, Any]:
        """Say what a checkpoint keeps in place of the weights, as plain data.

        The name of the file, the sha256 of its tensors (the same for a converted file) and the
        settings.
        """
        record = asdict(self.settings) | {
            'words': list(self.settings.words),
            'arch': self.arch,
            'precision': self.precision,
        }
        return {'type': 'DACLIPPrior', 'file': self.file, 'sha256': self.sha256, **record}

    def check_record(self, record: Mapping[str, Any]) -> None:
        """Compare the record of a checkpoint with this prior.

        The file's name and the precision may differ: the first says nothing, the second changes
        little.

        Raises:
            ValueError: A network that was trained with another prior would be misled; says what
                differs.
        """
        check_record(self.checkpoint_record(), record, may_differ=['precision'])

    def _build(
        self, sizes: Mapping[str, Any], checkpoint: str | None, download: bool, allow_random: bool
    ) -> DACLIP:
        open_clip_module()
        if torch.get_default_device().type == 'meta':
            return empty_daclip(sizes)
        if allow_random and checkpoint is None:
            print_log(
                'DACLIPPrior has random weights: it knows nothing.', 'current', logging.WARNING
            )
            # Seeded, since checkpoints leave these weights out, and without a trace in the global
            # generator.
            with torch.random.fork_rng(devices=[]), torch.device('cpu'):
                torch.manual_seed(0)
                model = DACLIP(sizes)
            self.sha256 = fingerprint(model.state_dict())
            return model
        name = self.arch if isinstance(self.arch, str) else None
        path = find_checkpoint(checkpoint, name, download)
        model, self.sha256 = load_daclip(path, sizes, name or 'of given sizes')
        self.file = path.name
        return model

    def _describe(self, image: Tensor) -> DegradationPrior:
        chosen = self.settings
        pixels = prepare(image, self.size, chosen.resize, chosen.normalization)
        with self._towers_precision(image):
            pixels = pixels.to(self.controller.conv1.weight.dtype)
            features, said = degradation_features(self.controller, pixels)
            content = features if self.visual is None else image_features(self.visual, pixels, said)
        features, content = features.float(), content.float()
        # Element by element: a matrix product might run in half precision or TF32.
        similarity = F.cosine_similarity(features[:, None], self.text.float(), dim=-1)
        if chosen.similarity != 'cosine':
            similarity = chosen.temperature * similarity
        if chosen.similarity == 'probability':
            similarity = similarity.softmax(-1)
        if chosen.normalize_features:
            features = F.normalize(features, dim=-1)
        if chosen.normalize_content:
            content = F.normalize(content, dim=-1)
        return DegradationPrior(features, similarity, features if self.visual is None else content)

    def _towers_precision(self, image: Tensor) -> AbstractContextManager[Any]:
        dtype = PRECISIONS[self.precision]
        if dtype is None or not torch.amp.is_autocast_available(image.device.type):
            return full_precision(image)
        return torch.autocast(image.device.type, dtype)


@torch.no_grad()
def _embed_words(model: DACLIP, words: Sequence[str]) -> Tensor:
    """Embeddings (D, F) of the bare words, float32; the tokenizer lowers their case."""
    if model.logit_scale.is_meta:
        return torch.empty(len(words), model.clip.visual.proj.shape[1], device='meta')
    tokens = open_clip_module().tokenize(list(words), context_length=model.clip.context_length)
    with full_precision(tokens):
        return model.eval().encode_text(tokens)
