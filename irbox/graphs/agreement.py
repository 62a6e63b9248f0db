"""Whether an exported file does what the network does, and how fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from irbox.graphs.engines import TITLES, Arrays, Engine, engine_version, open_engine

LIMIT = 1e-4
"""Of the deviation of the network's answer: a file that differs by more is not written."""
SIZES = ((96, 64), (250, 187), (516, 520))
"""Width and height. The last is one where frequency blocks before the last level split bands."""
RUNS = 3
DRAWS = 3
FEW = 1e-3
"""Share of the pixels that a routed one which is undecided may have around it."""


@dataclass(frozen=True)
class Agreement:
    """One engine on one image beside torch."""

    engine: str
    size: tuple[int, int]
    """Width and height."""
    image: str
    difference: float
    """The largest, divided by the standard deviation of torch's answer."""
    seconds: float
    torch_seconds: float


def compare(
    reference: Engine,
    engines: Mapping[str, Engine],
    more_inputs: Arrays,
    sizes: Iterable[tuple[int, int]] = SIZES,
) -> Iterable[Agreement]:
    """Compare engines with torch on two images of each size: a photograph and noise.

    At a pixel whose second and third expert score alike to the last digit, another rounding chooses
    another one, and what lies around is another picture. Where it is that few pixels that differ,
    the image is drawn anew, at most twice: what an engine computes wrongly is wrong there, too.

    Args:
        reference: The network in torch.
        engines: By name.
        more_inputs: Beside ``input``: what a prior says of one image.
        sizes: Width and height of the images.
    """
    for width, height in sizes:
        for name, draw in (('photograph', _photograph), ('noise', _noise)):
            for number in range(DRAWS):
                inputs = {'input': draw(height, width, number), **more_inputs}
                expected, torch_seconds = _timed(partial(reference, inputs))
                found, undecided = [], False
                for engine, run in engines.items():
                    answer, seconds = _timed(partial(run, inputs))
                    difference = difference_of(answer, expected)
                    undecided |= 0 < share_of_pixels(answer, expected) <= FEW
                    size = (width, height)
                    found.append(Agreement(engine, size, name, difference, seconds, torch_seconds))
                if not undecided:
                    break
            yield from found


def share_of_pixels(answer: np.ndarray, expected: np.ndarray) -> float:
    """Say how many pixels differ, of all; all, where the shapes do."""
    if answer.shape != expected.shape:
        return 1.0
    # What is not finite is not near.
    near = np.abs(answer - expected) <= LIMIT * max(float(expected.std()), 1e-12)
    return float(1 - near.all(axis=1).mean())


def difference_of(answer: np.ndarray, expected: np.ndarray) -> float:
    """Infinity where the shapes differ or something is not finite."""
    if answer.shape != expected.shape or not np.isfinite(answer).all():
        return float('inf')
    return float(np.abs(answer - expected).max() / max(float(expected.std()), 1e-12))


def _photograph(height: int, width: int, number: int) -> np.ndarray:
    """(1, 3, H, W), 0 to 1, beginning each time at another place."""
    import skimage.data

    data: Any = skimage.data  # without types
    photograph = np.roll(data.chelsea(), 50 * number, (0, 1))
    down, across = (
        -(-wanted // there)
        for wanted, there in zip((height, width), photograph.shape, strict=False)
    )
    whole = np.tile(photograph, (down, across, 1))[:height, :width].transpose(2, 0, 1)
    return whole[None].astype(np.float32) / 255


def _noise(height: int, width: int, number: int) -> np.ndarray:
    """(1, 3, H, W), 0 to 1."""
    return np.random.default_rng(number).random((1, 3, height, width), dtype=np.float32)


def _timed(run: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """The answer and the least of a few times, after a first run."""
    answer = run()
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return answer, min(times)


def torch_engine(network: Callable[..., Tensor]) -> Engine:
    """Run a module of torch: the image, then what a prior says, by its names."""

    @torch.inference_mode()
    def run(inputs: Arrays) -> np.ndarray:
        tensors = {key: torch.from_numpy(value) for key, value in inputs.items()}
        tensors['image'] = tensors.pop('input')
        return network(**tensors).numpy()

    return run


def onnx_engines(graph: str | bytes) -> dict[str, Engine]:
    """Open a network in ONNX in every engine that is installed, with as many threads as torch has.

    Args:
        graph: A file, or what it holds.

    Raises:
        ImportError: ONNX Runtime is not installed.
    """
    needed_by = 'Checking an exported network'
    engines = {TITLES['onnxruntime']: open_engine('onnxruntime', graph, needed_by=needed_by)}
    if engine_version('openvino') is not None:
        engines[TITLES['openvino']] = open_engine('openvino', graph)
    return engines
