"""What a model says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from irbox.registry import suggest

BF16_LOSS = 0.02
"""Decibels that bfloat16 may cost for it to be chosen without asking."""


@dataclass
class ModelCard:
    """What a model says of itself; part of ``config.json``."""

    name: str = 'unnamed'
    tasks: list[str] = field(default_factory=list)
    """Degradations that it was trained to remove."""
    licence: str | None = None
    """Of the weights, as an SPDX identifier; None where nobody said."""
    degradations: list[str] = field(default_factory=list)
    """What its prior tells apart, in the order of the probabilities."""
    bf16_loss: float | None = None
    """Decibels that bfloat16 was measured to cost; None where nobody measured."""
    trained_on: str | None = None
    """What pictures, and whose; None where nobody said."""

    @property
    def supports_half(self) -> bool:
        """Tell whether bfloat16 was checked and costs at most ``BF16_LOSS``."""
        return self.bf16_loss is not None and self.bf16_loss <= BF16_LOSS

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> ModelCard:
        """Make a card of what a file holds.

        Raises:
            ValueError: A key is unknown.
        """
        known = [one.name for one in fields(cls)]
        for key in given:
            if key not in known:
                raise ValueError(f'The card has no entry {key!r}. {suggest(key, known)}')
        return cls(**given)

    def as_dict(self) -> dict[str, Any]:
        """Give the card as plain values."""
        return asdict(self)

    def readme(self, parameters: int, files: list[str], plugins: list[str]) -> str:
        """Write the card as the hub shows it.

        Args:
            parameters: Number of weights.
            files: Files that a pretrained prior needs beside the folder.
            plugins: Python that the network needs.
        """
        tasks = ', '.join(self.tasks) or 'not stated'
        half = 'not checked' if self.bf16_loss is None else f'costs {self.bf16_loss:g} dB'
        lines = [
            '---',
            'library_name: irbox',
            'pipeline_tag: image-to-image',
            'tags: [image-restoration]',
            *([f'license: {self.licence.lower()}'] if self.licence else []),
            '---',
            '',
            f'# {self.name}',
            '',
            'Restores photographs with irbox:',
            '',
            '```python',
            'import irbox',
            '',
            "model = irbox.load('FOLDER')  # this folder",
            "model.restore('photo.jpg').save('restored.jpg')",
            '```',
            '',
            f'* Tasks: {tasks}',
            f'* Trained on: {self.trained_on or "not stated"}',
            f'* Parameters: {parameters:,}',
            f'* Licence of the weights: {self.licence or "not stated"}',
            f'* bfloat16: {half}',
        ]
        if files:
            lines.append(f'* Needs beside this folder: {", ".join(files)}')
        if plugins:
            lines.append(
                f'* Needs plug-ins, Python that is run: {", ".join(plugins)} (`trust=True`)'
            )
        return '\n'.join(lines) + '\n'
