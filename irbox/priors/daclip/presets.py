"""How each published system uses DA-CLIP, as values of ``DACLIPPrior``'s options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from irbox.registry import suggest

OFFICIAL_WORDS = (
    'motion-blurry',
    'hazy',
    'jpeg-compressed',
    'low-light',
    'noisy',
    'raindrop',
    'rainy',
    'shadowed',
    'snowy',
    'uncompleted',
)
M2RESTORE_WORDS = ('hazy', 'noisy', 'raindrop', 'rainy', 'shadowed', 'snowy')

PRESETS: dict[str, dict[str, Any]] = {
    # The DA-CLIP project's own use and the ten words it was trained with.
    'official': {'words': OFFICIAL_WORDS},
    # M2Restore as printed: the gate's P_f is the degradation embedding, so nothing else is needed.
    'm2restore_paper': {'words': M2RESTORE_WORDS, 'content': 'features'},
    # M2Restore as released: P_f is the content embedding, and the tower sees -1..1 without CLIP's
    # mean and deviation.
    'm2restore_code': {
        'words': M2RESTORE_WORDS,
        'resize': 'bilinear',
        'normalization': 'half',
    },
    # M2IR: [D(I); S(I, text)]. The paper names no words and no normalisation; the latter follows
    # DA-CLIP's own example.
    'm2ir': {'content': 'features', 'normalize_features': True},
}

CHOICES = {
    'content': ('image', 'features'),
    'similarity': ('probability', 'cosine', 'logit'),
    'resize': ('bicubic', 'bilinear'),
    'normalization': ('clip', 'half', 'none'),
}


@dataclass(frozen=True)
class Settings:
    """Says what decides the numbers besides the weights; options as in ``DACLIPPrior``."""

    words: tuple[str, ...]
    content: str = 'image'
    normalize_features: bool = False
    normalize_content: bool = False
    similarity: str = 'probability'
    temperature: float = 100.0
    resize: str = 'bicubic'
    normalization: str = 'clip'

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(
                    f'DACLIPPrior takes {name} from {", ".join(allowed)}, got {value!r}.'
                )
        if self.normalize_content and self.content == 'features':
            raise ValueError(
                'DACLIPPrior: normalize_content needs content: image. With content: features, '
                'content repeats the features and follows normalize_features.'
            )
        if not self.temperature > 0:
            raise ValueError(
                f'DACLIPPrior needs a temperature above zero, got {self.temperature!r}.'
            )
        if not self.words or not all(isinstance(word, str) and word for word in self.words):
            raise ValueError(f'DACLIPPrior needs words, each a text, got {list(self.words)!r}.')
        if len(set(self.words)) < len(self.words):
            raise ValueError(f'DACLIPPrior has a word twice: {list(self.words)!r}.')


def settings(preset: str, given: Mapping[str, Any]) -> Settings:
    """Lay a user's own values over a preset.

    Args:
        preset: A name in ``PRESETS``.
        given: Options by name; None leaves one to the preset.

    Raises:
        ValueError: The preset or a value is unknown, or no words are known.
    """
    if preset not in PRESETS:
        raise ValueError(f'DACLIPPrior has no preset {preset!r}. {suggest(preset, PRESETS)}')
    chosen = PRESETS[preset] | {key: value for key, value in given.items() if value is not None}
    words = chosen.get('words')
    if words is None:
        raise ValueError(
            f'DACLIPPrior with preset {preset!r} needs words, one per degradation of your data. '
            f'DA-CLIP was trained with: {", ".join(OFFICIAL_WORDS)}.'
        )
    if isinstance(words, str) or not isinstance(words, Sequence):
        raise ValueError(f'DACLIPPrior needs words as a list of texts, got {words!r}.')
    return Settings(**(chosen | {'words': tuple(words)}))
