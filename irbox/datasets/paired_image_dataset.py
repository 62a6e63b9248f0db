"""Degraded images with their clean ones, in folders."""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from irbox.datasets.draw_weights import draw_weights
from irbox.datasets.pair_operations import (
    AUGMENTATIONS,
    Augmentation,
    Pair,
    SizePolicy,
    SmallPolicy,
    ToMultiple,
    dihedral,
    enlarge,
    match_sizes,
    random_crop,
    random_crop_of_images,
    reflected,
    resized,
    to_multiple,
    to_tensor,
)
from irbox.datasets.pairs.data_source import DataSource, find_source
from irbox.datasets.pairs.halves import Half
from irbox.datasets.pairs.pair_list import PairList, Part
from irbox.datasets.pairs.pairs import ImagePair
from irbox.datasets.read_image import BadImageError, image_size, open_image
from irbox.datasets.source_report import report_source
from irbox.degradations.degradation import as_in_a_file
from irbox.registry import DATASETS
from irbox.utils.bounded import NonNegativeFloat, NonNegativeInt, PositiveInt


@DATASETS.register_module()
class PairedImageDataset(Dataset[dict[str, Any]]):
    """Pairs of image files: of published data sets, and of folders of one's own.

    Everything that differs between data sets is declared: folders, which clean image belongs to a
    degraded one, and what the degradation is called. Published sets have their declarations in
    ``irbox/datasets/sets``, see ``docs/datasets.md``. Without ``patch_size`` whole images are
    given, as for tests.

    A sample is a pure function of ``(seed, index, draw)``: neither the number of workers nor the
    order of the calls changes it. What degrades whole images is drawn from ``(seed, draw)``, the
    file's stem and the degradation with its strength instead of the index: a test image gets the
    same noise whatever other images are there.

    Args:
        sources: Name to source. A published set is ``set`` (its name, or the path of a declaration
            in YAML), ``split`` where it has several, and ``root`` (its folder below ``data_root``;
            by default, the set's name, or the declaration's folder). Anything else is ``input`` and
            ``target`` and, where needed, ``label`` (the source's name by default), ``pairing`` and
            ``choices``. ``packed`` is the folder of what ``tools/pack_data.py`` made of a source.
            Either of the first two may have ``id_pattern``, ``exclude_ids``, ``exclude_ids_from``,
            ``exclude_copies_of``, ``allow_list``, ``name_alias`` and ``only``, see
            ``PairedSource``; ``null`` for a rule of a set switches it off. ``repeat: 3`` counts the
            pairs three times in an epoch. ``degrade``, a degradation or a list of them, is applied
            to the degraded image after cropping and augmentation; with a set of clean images it
            makes noisy ones; ``depth``, a folder of depth maps, is for those that know depth, see
            ``DepthMaps``. ``null`` takes a source of a base config away.
        data_root: Folder that all these paths are relative to.
        patch_size: Height and width of random crops; whole images by default.
        augment: ``none``, ``flips`` (left-right and upside down), ``dihedral`` (all eight flips and
            quarter turns) or ``dihedral_moved`` (the seven that change something, as PromptIR,
            AdaIR and MoCE-IR draw them), one for both images.
        size_policy: When degraded and clean size differ: ``error``, ``center_crop_to_min`` or
            ``resize_clean_to_input``. But for ``error``, the sizes of all images are read at the
            start, and how many pairs differ is logged.
        small_images: When an image is smaller than the patch: ``reflect_pad``, ``resize_up``
            (Lanczos) or ``skip`` (which reads the size of every image at the start).
        to_multiple: ``{multiple: 16, policy: center_crop}``, or the policies ``reflect_pad`` and
            ``resize_up``, the latter also with ``longest_side: 1024``: done to whole images before
            anything else sees them.
        resize: Width and height that both whole images are brought to before that (bicubic), as
            M2Restore's code does with the raindrop test, 720x480.
        weights: Label to how often ``DrawSampler`` draws it, relative to the others; those not
            named count 1, and ``uniform`` draws all labels alike. A file of the label is then drawn
            at random. Without it every pair comes once per epoch, as often as ``repeat`` says.
        on_bad_sample: What happens in training when an image is gone, damaged or of a kind that is
            refused (see ``docs/datasets.md``): ``error``, or ``skip``, which draws another pair of
            the same label by ``(seed, index, draw)`` and says so in the sample.
        strict: Refuse degraded images without a clean one, instead of leaving them out.
        seed: Of crops, augmentation and degradations.

    Items:
        ``image`` and ``target``, (3, H, W) float32 in 0 to 1, degraded and clean; ``label``;
        ``name``, the degraded file's, after the names of its folders where several files have the
        same, after the source's name where there are several sources. A training draw with
        ``on_bad_sample='skip'`` has ``skipped``, too: what was wrong with the pairs that were drawn
        before this one, a line each.

    Raises:
        FileNotFoundError: A folder does not exist, or holds no layout of the set.
        ValueError: An option or a rule is wrong, or a folder is empty or incomplete. Reading a
            sample raises it for an unreadable image and for sizes that differ.
    """

    def __init__(
        self,
        sources: Mapping[str, Mapping[str, Any] | None],
        data_root: str | Path = '',
        patch_size: PositiveInt | None = None,
        augment: Augmentation = 'none',
        size_policy: SizePolicy = 'error',
        small_images: SmallPolicy = 'reflect_pad',
        to_multiple: ToMultiple | None = None,
        resize: tuple[PositiveInt, PositiveInt] | None = None,
        weights: Mapping[str, NonNegativeFloat] | Literal['uniform'] | None = None,
        on_bad_sample: Literal['error', 'skip'] = 'error',
        strict: bool = True,
        seed: NonNegativeInt = 0,
    ) -> None:
        if to_multiple is not None and to_multiple.get('longest_side') is not None:
            policy = to_multiple['policy']
            if policy != 'resize_up':
                raise ValueError(
                    f'to_multiple.longest_side goes with resize_up, not with {policy}.'
                )
        self.patch_size = patch_size
        self.modes = AUGMENTATIONS[augment]
        self.size_policy = size_policy
        self.small_images = small_images
        self.to_multiple = to_multiple
        self.resize = resize
        self.on_bad_sample = on_bad_sample
        self.seed = seed
        self.notes: list[str] = []
        """What was found and left out, a sentence for each source."""
        self.halves: list[Half] = []
        """What each source is for."""
        self.differences: list[str] = []
        """A sentence for each count, or look, that is not as published, and that nobody chose."""
        self.chosen: list[str] = []
        """The same, where the source itself takes images out."""
        parts: list[Part] = []
        named = {name: source for name, source in sources.items() if source is not None}
        if not named:
            raise ValueError('sources is empty: name at least one, with `input` and `target`.')
        for name, entry in named.items():
            source = find_source(name, entry, data_root, strict)
            pairs, left_out = self._check_sizes(source)
            prefix = f'{name}_' if len(named) > 1 else ''
            parts.append(Part.of(source, pairs, prefix))
            differences = source.differences()
            self.notes.append(report_source(parts[-1], left_out, differences))
            self.halves.append(source.half)
            (self.chosen if source.selected else self.differences).extend(differences)
        self.pairs = PairList(parts)
        if not self.pairs:
            raise ValueError(
                f'No image is at least {patch_size} pixels wide and high (patch_size).'
            )
        self.draw_weights = draw_weights(self.pairs.labels().tolist(), weights)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, item: int | tuple[int, int]) -> dict[str, Any]:
        index, draw = item if isinstance(item, tuple) else (item, 0)
        if not 0 <= index < len(self):
            raise IndexError(f'index {index} is out of range: there are {len(self)} samples.')
        # A set that is gone through in order, as for a score, never has one for another.
        if self.on_bad_sample == 'skip' and isinstance(item, tuple):
            return self._usable(index, draw)
        return self._sample(index, draw)

    def _usable(self, index: int, draw: int) -> dict[str, Any]:
        """Take the first pair that can be used: the one drawn, then others of its label."""
        label, chosen, bad = self.pairs[index].label, index, list[str]()
        rng = np.random.default_rng((self.seed, index, draw, 1))  # not the sample's own
        while len(bad) < 100:
            try:
                return self._sample(chosen, draw) | {'skipped': '\n'.join(bad)}
            except BadImageError as error:
                bad.append(str(error))
            alike = np.flatnonzero(self.pairs.labels() == label)
            chosen = int(alike[rng.integers(len(alike))])
        raise BadImageError(
            f'None of {len(bad)} pairs of {label} drawn in a row can be used. The last: {bad[-1]}'
        )

    def _sample(self, index: int, draw: int) -> dict[str, Any]:
        rng = np.random.default_rng((self.seed, index, draw))
        source, files = self.pairs.source(index), self.pairs[index]
        chain, maps = source.chain, source.depth
        margin = sum(getattr(step, 'margin', 0) for step in chain)
        whole = open_image(files.degraded)
        clean = whole if files.clean == files.degraded else open_image(files.clean)
        # The same part of the depth, drawn by a generator in the same state.
        twin = copy.deepcopy(rng) if maps else rng
        pair = self._cut(whole, clean, files, margin, rng)
        mode = self.modes[rng.integers(len(self.modes))]
        image, target = (dihedral(side, mode) for side in pair)
        depth = None
        if maps:
            far = resized(maps.read(files.degraded), whole.size)
            other = far if clean.size == far.size else Image.new('F', clean.size)
            depth = dihedral(self._cut(far, other, files, margin, twin)[0], mode)
        if chain:
            if self.patch_size is None:
                rng = self._generator_of_file(index, draw)
            image = image.astype(np.float32) / np.float32(255)
            for step in chain:
                image = step(image, rng, depth)
            image = as_in_a_file(image, chain)
        inner = slice(margin, -margin or None)
        return {
            'image': to_tensor(image[inner, inner]),
            'target': to_tensor(target[inner, inner]),
            'label': self.pairs[index].label,
            'name': self.pairs.name(index),
        }

    def _cut(
        self,
        image: Image.Image,
        target: Image.Image,
        files: ImagePair,
        margin: int,
        rng: np.random.Generator,
    ) -> Pair:
        """Give both images, or the same random part of both, with a margin for what reaches in."""
        side = None if self.patch_size is None else self.patch_size + 2 * margin
        if self.resize is not None:
            image, target = (resized(one, self.resize) for one in (image, target))
        fits = image.size == target.size and self.to_multiple is None
        if side is not None and fits and min(image.size) >= side:
            return random_crop_of_images(image, target, side, rng)
        name = f'{files.degraded} and {files.clean}'
        pair = match_sizes(np.asarray(image), np.asarray(target), self.size_policy, name)
        if self.to_multiple is not None:
            pair = to_multiple(pair, **self.to_multiple)
        if side is not None:
            return random_crop(enlarge(pair, side, self.small_images), side, rng)
        if margin:
            degraded, clean = pair
            return reflected(degraded, margin), reflected(clean, margin)
        return pair

    def _generator_of_file(self, index: int, draw: int) -> np.random.Generator:
        """Seed by the file's stem and the degradation, whatever other files there are."""
        stem = self.pairs[index].degraded.stem
        digest = hashlib.sha256(f'{stem}\n{self.pairs.source(index).recipe}'.encode()).digest()
        return np.random.default_rng((self.seed, draw, *np.frombuffer(digest, np.uint32).tolist()))

    def _check_sizes(self, source: DataSource) -> tuple[Sequence[ImagePair], dict[str, int]]:
        """Give the pairs that are large enough, and what there is to tell about the others."""
        pairs, told = source.pairs, dict(source.left_out)
        if self.small_images == 'skip' and (patch := self.patch_size) is not None:
            pairs = [p for p in pairs if min(self._size(p.degraded) or (patch,)) >= patch]
            told['smaller than the patch'] = len(source.pairs) - len(pairs)
        if self.size_policy != 'error':
            clean = {p.clean: self._size(p.clean) for p in pairs}
            sizes = [(self._size(p.degraded), clean[p.clean]) for p in pairs]
            differ = sum(None not in both and both[0] != both[1] for both in sizes)
            told[f'whose sizes differ: {self.size_policy}'] = differ
        return pairs, told

    def _size(self, path: Path) -> tuple[int, int] | None:
        """Give the size that an image is used at; None where it is bad and will be skipped."""
        try:
            size = image_size(path)
            return self.resize or size
        except BadImageError:
            if self.on_bad_sample == 'error':
                raise
            return None

    @property
    def names(self) -> list[str]:
        """List the names of all samples."""
        return [self.pairs.name(number) for number in range(len(self))]

    @property
    def task_counts(self) -> dict[str, float]:
        """Map a label to its samples in an epoch; with ``weights``, to their mean number."""
        labels = self.pairs.labels().tolist()
        if self.draw_weights is None:
            return dict(Counter(labels))
        counts: dict[str, float] = dict.fromkeys(labels, 0.0)
        for label, weight in zip(labels, self.draw_weights, strict=True):
            counts[label] += weight * len(labels)
        return counts

    @property
    def metainfo(self) -> dict[str, Any]:
        """Give what mmengine passes on to evaluators: the labels that samples carry."""
        return {'labels': tuple(dict.fromkeys(self.pairs.labels().tolist()))}
