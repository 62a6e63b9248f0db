"""How a picture is to be restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from irbox.restore.restoration import check_strength


@dataclass(frozen=True)
class Options:
    """How a picture is to be restored; the meaning is that of ``RestorationModel.restore``."""

    tile: int | tuple[int, int] | str | None = 'auto'
    overlap: int | None = None
    strength: float = 1.0
    degradations: Mapping[str, float] | None = None
    task: str | list[str] | None = None
    not_: str | list[str] | None = None
    mask: Any = None
    steer_mask: Any = None
    self_ensemble: bool = False
    max_memory: str | int | None = None

    def __post_init__(self) -> None:
        check_strength(self.strength)
        if self.steer_mask is not None and not self.steers:
            raise ValueError(
                'steer_mask says where degradations, task or not_ hold: give one of them, too.'
            )

    @property
    def steers(self) -> bool:
        """Tell whether the prior is told what to believe."""
        return any(one is not None for one in (self.degradations, self.task, self.not_))
