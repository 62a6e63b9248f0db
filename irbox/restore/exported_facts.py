"""What the file of an exported network says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from irbox import __version__
from irbox.restore.memory_need import MemoryNeed
from irbox.restore.model_card import ModelCard

RANGE = '0 1'


@dataclass(frozen=True)
class ExportedFacts:
    """What the file of an exported network says of itself, beside its graph."""

    card: ModelCard
    config: Mapping[str, Any]
    """``model.network`` and ``plugins``."""
    multiple: int
    """What images are padded to inside, in pixels."""
    smallest: int
    """Side of the smallest image, in pixels."""
    need: MemoryNeed
    """As the graph was measured in torch when the file was made."""
    parameters: int
    prior_is_input: bool = False
    """Whether ``features``, ``probabilities`` and ``content`` are inputs beside the image."""
    dtype: str = 'float32'
    """Of the weights in the file."""

    def as_metadata(self) -> dict[str, str]:
        """Give them as the text that formats of networks hold."""
        card = self.card
        return {
            'irbox_version': __version__,
            'model': card.name,
            'licence': card.licence or 'not stated',
            'tasks': ', '.join(card.tasks),
            'degradations': ', '.join(card.degradations),
            'range': RANGE,
            'multiple': str(self.multiple),
            'smallest': str(self.smallest),
            'prior': 'input' if self.prior_is_input else 'inside',
            'dtype': self.dtype,
            'parameters': str(self.parameters),
            'memory': f'{self.need.fixed:.0f} {self.need.per_pixel:.0f}',
            'card': json.dumps(card.as_dict()),
            'config': json.dumps(self.config),
        }

    @classmethod
    def from_metadata(cls, given: Mapping[str, str], origin: str) -> ExportedFacts:
        """Read what ``as_metadata`` gave.

        Args:
            given: The text of a file.
            origin: The file, for the message.

        Raises:
            ValueError: irbox did not write the file, or it is damaged.
        """
        try:
            fixed, per_pixel = given['memory'].split()
            return cls(
                ModelCard.read(json.loads(given['card'])),
                json.loads(given['config']),
                int(given['multiple']),
                int(given['smallest']),
                MemoryNeed(float(fixed), float(per_pixel)),
                int(given['parameters']),
                given['prior'] == 'input',
                given['dtype'],
            )
        except (KeyError, ValueError, TypeError) as error:
            raise ValueError(
                f'{origin} does not say what irbox writes into a network that it exports '
                f'({type(error).__name__}: {error}). Make it anew with irbox export.'
            ) from error
