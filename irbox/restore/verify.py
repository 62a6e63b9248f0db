"""Whether a picture was made as its record says: the same steps again, and a comparison."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from irbox.pictures import read_picture, read_record, write_picture
from irbox.restore.batch.settings import Settings, from_record
from irbox.restore.devices import Runtime
from irbox.restore.restoration_model import RestorationModel

ROUNDING = 1
"""Levels of 255 by which machines and numbers of threads may differ."""


@dataclass(frozen=True)
class Claim:
    """What a record says."""

    record: Mapping[str, Any]
    settings: Settings

    @property
    def model(self) -> str:
        """Give the name of the model."""
        return str(self.record.get('model'))

    @property
    def precision(self) -> Any:
        """Give what was computed in."""
        return self.settings.precision

    @property
    def runtime(self) -> Any:
        """Give what is to compute it again.

        Torch, which every runtime equals to rounding, but in half precision, where each rounds
        elsewhere.

        Raises:
            ValueError: The record names a runtime that is none.
        """
        named = self.record.get('runtime', 'torch')
        if named not in get_args(Runtime) or named == 'auto':
            raise ValueError(
                f'The record says runtime={named!r}, which is none: it was changed, or made by '
                'another version.'
            )
        return 'torch' if self.precision in ('auto', 'fp32') else named


@dataclass(frozen=True)
class Verdict:
    """Whether the answer is what the record says, and in words."""

    same: bool
    text: str


def read_claim(output: Path) -> Claim:
    """Read the record of an answer.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It has no record, or one that cannot be repeated.
    """
    record = read_record(output)
    if record is None:
        raise ValueError(
            f'{output} has no record of how irbox made it: it was made with '
            '--no-record, by another program, or changed since.'
        )
    return Claim(record, Settings(**from_record(record, output)))


def verify(
    source: Path,
    output: Path,
    claim: Claim,
    model: RestorationModel,
    mask: Path | None = None,
    steer_mask: Path | None = None,
) -> Verdict:
    """Restore ``source`` as a record says and compare with ``output``.

    Args:
        source: The picture as it was.
        output: The answer.
        claim: Of the answer.
        model: That the record names.
        mask: That it was made with, where the record names one.
        steer_mask: Likewise.

    Raises:
        ValueError: A mask is missing.
    """
    with open(source, 'rb') as file:
        digest = hashlib.file_digest(file, 'sha256').hexdigest()
    if digest != claim.record.get('input_sha256'):
        return Verdict(False, f'{source} is not the picture that {output} was made of.')
    if model.digest != claim.record.get('model_sha256'):
        return Verdict(False, f'{output} was made by other weights than those of {model.name}.')
    masks = {'mask': mask, 'steer_mask': steer_mask}
    for name, path in masks.items():
        if name in claim.record and path is None:
            raise ValueError(
                f'{output} was made with a {name.replace("_", " ")}, {claim.record[name]}: give '
                f'--{name.replace("_", "-")}.'
            )
    settings = Settings(**{**vars(claim.settings), **masks})
    picture = read_picture(source)
    restored = model.run(picture, settings.options())
    again = io.BytesIO()
    # Through the same encoder: what a lossy format loses is lost in both.
    write_picture(
        picture,
        restored.at(restored.strength),
        again,
        format=settings.format,
        quality=settings.quality,
    )
    first, second = read_picture(output).pixels, read_picture(again.getvalue()).pixels
    if first.shape != second.shape or first.dtype != second.dtype:
        return Verdict(False, f'{output} has another size or depth than its record makes.')
    white = float(np.iinfo(first.dtype).max) if first.dtype.kind == 'u' else 1.0
    largest = float(np.abs(first.astype(np.float32) - second).max()) / white * 255
    agreement = f'{output} is what {model.name} makes of {source} by its record'
    if largest == 0:
        return Verdict(True, f'{agreement}, to the bit.')
    if largest <= ROUNDING:
        return Verdict(
            True, f'{agreement}, but for rounding ({largest:.2g} levels of 255 at most).'
        )
    return Verdict(
        False, f'{output} differs from what its record makes, by up to {largest:.3g} levels of 255.'
    )
