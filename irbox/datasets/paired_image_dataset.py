"""Degraded images with their clean ones, in folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log
from PIL import Image
from torch.utils.data import Dataset

from irbox.datasets.degradations.degradation import round_to_8_bits
from irbox.datasets.pair_operations import (
    AUGMENTATIONS,
    MULTIPLE_POLICIES,
    SIZE_POLICIES,
    SMALL_POLICIES,
    Pair,
    dihedral,
    enlarge,
    match_sizes,
    random_crop,
    random_crop_of_images,
    to_multiple,
    to_tensor,
)
from irbox.datasets.paired_source import ImagePair, PairedSource
from irbox.datasets.read_image import open_image
from irbox.registry import DATASETS, TRANSFORMS, suggest


@DATASETS.register_module()
class PairedImageDataset(Dataset):
    """Pairs of image files from one or several pairs of folders.

    Everything that differs between published data sets is declared per source: folders, which clean
    image belongs to a degraded one, and what the degradation is called (see ``PairedSource``).
    Without ``patch_size`` whole images are given, as for tests.

    A sample is a pure function of ``(seed, index, draw)``: neither the number of workers nor the
    order of the calls changes it.

    Args:
        sources: Name to source: ``input``, ``target`` and, where needed, ``label`` (the source's
            name by default), ``pairing``, ``exclude_ids``, ``allow_list``. ``null`` takes a source
            of a base config away. ``repeat: 3`` counts its pairs three times in an epoch.
            ``degrade``, a degradation or a list of them, is applied to the degraded image after
            cropping and augmentation; with the clean folder as ``input`` it makes noisy images.
        data_root: Folder that ``input``, ``target`` and ``allow_list`` are relative to.
        patch_size: Height and width of random crops; whole images by default.
        augment: ``none``, ``flips`` (left-right and upside down) or ``dihedral`` (all eight flips
            and quarter turns), one for both images.
        size_policy: When degraded and clean size differ: ``error``, ``center_crop_to_min`` or
            ``resize_clean_to_input``.
        small_images: When an image is smaller than the patch: ``reflect_pad``, ``resize_up``
            (Lanczos) or ``skip`` (which reads the size of every image at the start).
        to_multiple: ``{multiple: 16, policy: center_crop}``, or the policies ``reflect_pad`` and
            ``resize_up``: done to whole images before anything else sees them.
        strict: Refuse degraded images without a clean one, instead of leaving them out.
        seed: Of crops and augmentation.

    Items:
        ``image`` and ``target``, (3, H, W) float32 in 0 to 1, degraded and clean; ``label``;
        ``name``, the degraded file's, after the source's name where there are several sources.

    Raises:
        FileNotFoundError: A folder does not exist.
        ValueError: An option or a rule is wrong, or a folder is empty or incomplete. Reading a
            sample raises it for an unreadable image and for sizes that differ.
    """

    def __init__(
        self,
        sources: Mapping[str, Mapping[str, Any] | None],
        data_root: str = '',
        patch_size: int | None = None,
        augment: str = 'none',
        size_policy: str = 'error',
        small_images: str = 'reflect_pad',
        to_multiple: Mapping[str, Any] | None = None,
        strict: bool = True,
        seed: int = 0,
    ) -> None:
        _check_choice('augment', augment, AUGMENTATIONS)
        _check_choice('size_policy', size_policy, SIZE_POLICIES)
        _check_choice('small_images', small_images, SMALL_POLICIES)
        if to_multiple is not None:
            _check_keys('to_multiple', to_multiple, ('multiple', 'policy'), ('multiple', 'policy'))
            _check_choice('to_multiple.policy', to_multiple['policy'], MULTIPLE_POLICIES)
        if patch_size is not None and patch_size < 1:
            raise ValueError(
                f'patch_size={patch_size} must be at least 1, or null for whole images.'
            )
        self.patch_size = patch_size
        self.modes = AUGMENTATIONS[augment]
        self.size_policy = size_policy
        self.small_images = small_images
        self.to_multiple = to_multiple
        self.seed = seed
        self.pairs: list[ImagePair] = []
        self.names: list[str] = []
        self.chains: list[tuple[Any, ...]] = []
        named = {name: source for name, source in sources.items() if source is not None}
        if not named:
            raise ValueError('sources is empty: name at least one, with `input` and `target`.')
        for name, source in named.items():
            pairs, left_out = _source(name, source, data_root).find_pairs(strict)
            if small_images == 'skip' and patch_size is not None:
                large = [pair for pair in pairs if _shorter_side(pair.degraded) >= patch_size]
                left_out['smaller than the patch'] = len(pairs) - len(large)
                pairs = large
            pairs = pairs * _repeat(name, source)
            self.pairs += pairs
            prefix = f'{name}_' if len(named) > 1 else ''
            self.names += [prefix + pair.degraded.stem for pair in pairs]
            self.chains += [_chain(source)] * len(pairs)
            _report(name, pairs, left_out)
        if not self.pairs:
            raise ValueError(
                f'No image is at least {patch_size} pixels wide and high (patch_size).'
            )

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, item: int | tuple[int, int]) -> dict[str, Any]:
        index, draw = item if isinstance(item, tuple) else (item, 0)
        if not 0 <= index < len(self):
            raise IndexError(f'index {index} is out of range: there are {len(self)} samples.')
        rng = np.random.default_rng((self.seed, index, draw))
        margin = sum(getattr(step, 'margin', 0) for step in self.chains[index])
        pair = self._read(self.pairs[index], margin, rng)
        mode = self.modes[rng.integers(len(self.modes))]
        image, target = (dihedral(side, mode) for side in pair)
        if self.chains[index]:
            image = image.astype(np.float32) / np.float32(255)
            for step in self.chains[index]:
                image = step(image, rng)
            image = round_to_8_bits(image)
        inner = slice(margin, -margin or None)
        return {
            'image': to_tensor(image[inner, inner]),
            'target': to_tensor(target[inner, inner]),
            'label': self.pairs[index].label,
            'name': self.names[index],
        }

    def _read(self, files: ImagePair, margin: int, rng: np.random.Generator) -> Pair:
        """Both images, or the same random part of both, with a margin for what reaches in."""
        image = open_image(files.degraded)
        target = image if files.clean == files.degraded else open_image(files.clean)
        side = None if self.patch_size is None else self.patch_size + 2 * margin
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
            pad = ((margin, margin), (margin, margin), (0, 0))
            return tuple(np.pad(array, pad, mode='reflect') for array in pair)
        return pair

    @property
    def metainfo(self) -> dict[str, Any]:
        """What mmengine passes on to evaluators: the labels that samples carry."""
        return {'labels': tuple(dict.fromkeys(pair.label for pair in self.pairs))}


def _source(name: str, given: Mapping[str, Any], data_root: str) -> PairedSource:
    known = [field.name for field in fields(PairedSource)]
    _check_keys(f'source {name}', given, [*known, 'repeat', 'degrade'], ('input', 'target'))
    if given.get('exclude_ids') is not None:
        keys = ('pattern', 'first', 'last')
        _check_keys(f'source {name}: exclude_ids', given['exclude_ids'], keys, keys)
    arguments = {'label': name} | {key: given[key] for key in known if key in given}
    for key in ('input', 'target', 'allow_list'):
        if arguments.get(key) is not None:
            arguments[key] = Path(data_root).expanduser() / arguments[key]
    return PairedSource(**arguments)


def _repeat(name: str, given: Mapping[str, Any]) -> int:
    count = given.get('repeat', 1)
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f'source {name}: repeat={count!r} must be a whole number of at least 1.')
    return count


def _chain(given: Mapping[str, Any]) -> tuple[Any, ...]:
    steps = given.get('degrade') or ()
    return tuple(TRANSFORMS.build(step) for step in ([steps] if 'type' in steps else steps))


def _check_keys(
    what: str, given: Mapping[str, Any], known: Sequence[str], needed: Sequence[str]
) -> None:
    for key in given:
        if key not in known:
            raise ValueError(f'{what} takes no {key!r}. {suggest(key, known)}')
    missing = [key for key in needed if given.get(key) is None]
    if missing:
        raise ValueError(f'{what} needs {" and ".join(missing)}.')


def _check_choice(option: str, value: Any, choices: Sequence[str] | Mapping[str, Any]) -> None:
    if value not in choices:
        raise ValueError(f'{option}={value!r} must be one of {", ".join(choices)}.')


def _shorter_side(path: Path) -> int:
    with Image.open(path) as image:
        return min(image.size)


def _report(name: str, pairs: Sequence[ImagePair], left_out: Mapping[str, int]) -> None:
    counts = Counter(pair.label for pair in pairs)
    found = ', '.join(f'{label} {count}' for label, count in sorted(counts.items()))
    without = ''.join(f'; {count} {reason}' for reason, count in left_out.items() if count)
    print_log(f'Data source {name}: {len(pairs)} pairs ({found}{without})', logger='current')
