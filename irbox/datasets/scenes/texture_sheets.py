"""The textures of a scene: sheets that every surface takes a piece of, in colours of its own."""

from __future__ import annotations

import cv2
import numpy as np

from irbox.datasets.scenes.color_model import Palette
from irbox.datasets.scenes.patterns import displace, draw_pattern
from irbox.datasets.scenes.power_noise import power_noise

LEVELS = 5
PAD = 2
COLUMNS = 4


class TextureSheets:
    """Draws periodic sheets of deviations in Lab and looks them up anywhere, at any scale.

    Source: VibrantLeaves' textures: noise with the colours of a palette, and two colours or two
    noises mixed by a map. The first sheet
    are clouds. Each sheet has mean 0, and most a standard deviation of L of 4 to 22. Sheets
    are kept at ``LEVELS`` sizes, each half of the one before, so that what is seen small does not
    alias.

    Args:
        rng: Where all randomness comes from.
        palette: Where their covariances and pairs of colours come from.
        size: Height and width of a sheet.
        count: Number of sheets.
    """

    def __init__(
        self, rng: np.random.Generator, palette: Palette, size: int = 512, count: int = 10
    ) -> None:
        self.count = count
        self.size = size
        self.grain = power_noise(rng, size, rng.uniform(0.4, 1.8))[0]
        sheets = [_clouds(rng, size), *(_draw_sheet(rng, palette, size) for _ in range(count - 1))]
        self.atlases = []
        for level in range(LEVELS):
            side = size >> level
            small = [
                cv2.resize(sheet, (side, side), interpolation=cv2.INTER_AREA) for sheet in sheets
            ]
            padded = [np.pad(one, ((PAD, PAD), (PAD, PAD), (0, 0)), mode='wrap') for one in small]
            empty = [np.zeros_like(padded[0])] * (-count % COLUMNS)
            rows = [
                np.concatenate((padded + empty)[start : start + COLUMNS], axis=1)
                for start in range(0, count, COLUMNS)
            ]
            self.atlases.append(np.concatenate(rows))

    def look_up_grain(self, size: int) -> np.ndarray:
        """Give the finest structure, (size, size) float32 of standard deviation 1."""
        times = -(-size // self.size)
        answer: np.ndarray = np.tile(self.grain, (times, times))[:size, :size]
        return answer

    def look_up(
        self, sheet: np.ndarray, u: np.ndarray, v: np.ndarray, scale: np.ndarray
    ) -> np.ndarray:
        """Look up a deviation for every pixel.

        Args:
            sheet: (H, W) number of the sheet.
            u: (H, W) float32, place on it in texels; it repeats.
            v: The same, downwards.
            scale: (H, W) float32, texels between two pixels.

        Returns:
            (H, W, 3) float32, in L, a and b.
        """
        level = np.log2(scale.clip(1, None)).clip(0, LEVELS - 1.001)
        # The texels of a sheet stand for all of the plane.
        u, v = np.remainder(u, self.size), np.remainder(v, self.size)
        row, column = np.divmod(sheet, COLUMNS)
        answer = np.zeros((*sheet.shape, 3), np.float32)
        for number in range(int(level.min()), int(level.max()) + 2):
            weight = (1 - np.abs(level - number)).clip(0, None)
            side = self.size >> number
            x = (u + 0.5) / (1 << number) - 0.5 + PAD + column * (side + 2 * PAD)
            y = (v + 0.5) / (1 << number) - 0.5 + PAD + row * (side + 2 * PAD)
            part = cv2.remap(
                self.atlases[number], x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR
            )
            answer += weight[..., None] * part
        return answer


def _clouds(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw what skies have: large soft structures, white or grey."""
    noise = power_noise(rng, size, rng.uniform(2.5, 3.5), 1, rng.uniform(1, 6))[0]
    level = rng.normal(0, 0.7)
    noise = 10 * np.tanh((noise - np.float32(level)) * np.float32(rng.uniform(0.7, 2)))
    sheet: np.ndarray = (noise - noise.mean())[..., None] * np.array([1, 0.05, 0.4], np.float32)
    return sheet


def _draw_sheet(rng: np.random.Generator, palette: Palette, size: int) -> np.ndarray:
    kind = rng.random()
    if kind < 0.35:
        sheet = _noise(rng, palette, size)
    else:
        mask = draw_pattern(rng, size)[..., None]
        first, second = palette.draw(rng, 2)
        # Two colours far apart are rare in one thing.
        sheet = mask * ((second - first) * np.float32(rng.uniform(0.3, 1)))
        if kind < 0.85:
            sheet = sheet + rng.uniform(0.3, 1.2) * _noise(rng, palette, size)
        else:
            sheet = (
                sheet + mask * _noise(rng, palette, size) + (1 - mask) * _noise(rng, palette, size)
            )
    sheet = sheet - sheet.mean((0, 1))
    wanted = 4 * 5.5 ** rng.random()
    answer: np.ndarray = sheet * (wanted / max(float(sheet[..., 0].std()), 2.0))
    return answer.astype(np.float32)


def _noise(rng: np.random.Generator, palette: Palette, size: int) -> np.ndarray:
    """Draw noise that varies as the pixels of one anchor do; its lightness may be skewed."""
    stretch = 4 ** rng.uniform(0, 2.5) if rng.random() < 0.35 else 1.0
    slope, angle = rng.uniform(0.5, 2.5), rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
    common, first, second = power_noise(rng, size, slope, 3, stretch, angle)
    if rng.random() < 0.4:
        common = displace(common, rng)
    if rng.random() < 0.5:
        # Histograms of real surfaces lean: spots of light, or dark pores.
        lean = rng.choice([-1, 1]) * rng.uniform(0.2, 0.7)
        common = (np.exp(lean * common.clip(-4, 4)) - 1) / lean
    mixed = np.stack([common, first, second], axis=-1) * np.array([1, 0.35, 0.35], np.float32)
    # The last of the root's columns is the direction of the largest variance.
    noise: np.ndarray = mixed @ palette.draw_root(rng)[:, ::-1].T.astype(np.float32)
    return noise
