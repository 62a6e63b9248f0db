"""What a network asks of a picture, and what it does to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkTraits:
    """What a network asks of a picture, and what it does to it. By default what ours do."""

    architecture: str
    """What it is called: the class, or the name that another library has for it."""
    purpose: str = 'Restoration'
    """``'Restoration'``, ``'SR'``, ``'FaceSR'`` or ``'Inpainting'``."""
    scale: int = 1
    """The answer's height and width are this often the picture's."""
    channels: tuple[int, int] = (3, 3)
    """Of the picture and of the answer."""
    multiple: int = 1
    """What height and width are padded to a multiple of, in pixels."""
    smallest: int = 1
    """What height and width are padded to at least, in pixels."""
    square: bool = False
    """Whether pictures are padded to squares."""
    tiling: bool = True
    """Whether tiles are as good as the whole; else the network looks at all of a picture."""
    unfit: tuple[str, ...] = ()
    """Precisions that it does not compute in, of ``'bf16'`` and ``'fp16'``."""

    def refusal(self) -> str | None:
        """Say why a network cannot restore pictures here; None where it can."""
        if self.purpose == 'Inpainting':
            return 'it fills in what a mask marks, and needs one beside the picture'
        if self.scale != 1:
            return f'its answer has {self.scale} times the height and width of the picture'
        if self.channels != (3, 3):
            given, answered = self.channels
            return f'it takes {given} channels and gives {answered}, and pictures here are RGB'
        return None

    def __str__(self) -> str:
        parts = [f'{self.architecture}, {self.purpose}', f'scale {self.scale}']
        parts.append(f'{self.channels[0]} channels')
        sides = [f'multiples of {self.multiple}'] if self.multiple > 1 else []
        sides += [f'at least {self.smallest}'] if self.smallest > 1 else []
        sides += ['square'] if self.square else []
        return ', '.join([*parts, *([f'padded to {" and ".join(sides)}'] if sides else [])])
