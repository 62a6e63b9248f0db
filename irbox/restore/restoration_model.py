"""A network that restores pictures of any kind and size."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from irbox.networks.network_traits import NetworkTraits
from irbox.pictures.picture import Picture
from irbox.restore.arrays import open_image, open_picture
from irbox.restore.captured_network import CapturedNetwork
from irbox.restore.devices import Precision, choose_device, choose_precision, computing_in
from irbox.restore.hub_folder import write_folder
from irbox.restore.memory_need import MemoryNeed, measure_need
from irbox.restore.model_card import ModelCard
from irbox.restore.options import Options
from irbox.restore.report import Report
from irbox.restore.restoration import Restoration
from irbox.restore.restore_pixels import restore_pixels
from irbox.restore.steering import degradation_names
from irbox.structures import Context
from irbox.utils.weights import fingerprint


class RestorationModel:
    """A network that restores pictures of any kind and size. ``irbox.load`` gives one.

    Args:
        network: With its weights, in evaluation mode.
        config: What it was built from: ``model.network`` and ``plugins``.
        card: What it says of itself; names that are missing are the prior's.
        source: Where it came from; ``place``, and the beginning of what ``source`` says.
        device: See ``choose_device``.
        precision: See ``choose_precision``.

    Raises:
        ValueError: The device or the precision is not to be had.

    Attributes:
        traits: What the network asks of a picture: ``scale``, ``channels``, ``purpose`` and so on.
        engine: What computes the answers: the network, or another program in its place.
        runtime: The name of that: ``'torch'``, ``'onnxruntime'`` or ``'openvino'``.
        runtime_notes: What every report says of it.
        routing_places: Where the engine routes, in order; None until a tile was listened to. The
            hooks of listening keep networks from their fastest ways.
    """

    def __init__(
        self,
        network: nn.Module,
        config: Mapping[str, Any],
        card: ModelCard,
        source: str,
        device: str | torch.device = 'auto',
        precision: Precision = 'auto',
    ) -> None:
        self.traits: NetworkTraits = getattr(network, 'traits', None) or NetworkTraits('unknown')
        if precision in self.traits.unfit:
            raise ValueError(
                f'precision={precision!r}: {self.traits.architecture} does not compute in it. '
                "Choose 'fp32'."
            )
        self.device = choose_device(device)
        self.dtype, self.precision = choose_precision(precision, self.device, card.supports_half)
        self.network = network.to(self.device)
        losses = (config.get('model') or {}).get('losses')
        names = card.degradations or degradation_names(network, losses)
        self.card = replace(card, degradations=names, tasks=card.tasks or list(names))
        self.config, self.place = config, source
        self._need: MemoryNeed | None = None
        self.engine: nn.Module = (
            CapturedNetwork(self.network) if self.device.type == 'cuda' else self.network
        )
        self.runtime = 'torch'
        self.runtime_notes: list[str] = []
        self.routing_places: list[str] | None = None

    @property
    def name(self) -> str:
        """Give what it is called."""
        return self.card.name

    @property
    def source(self) -> str:
        """Say where it came from, and what it was trained on where its card says."""
        trained_on = self.card.trained_on
        return f'{self.place}, trained on {trained_on}' if trained_on else self.place

    @property
    def tasks(self) -> list[str]:
        """List the degradations that it was trained to remove."""
        return self.card.tasks

    @property
    def licence(self) -> str | None:
        """Give the licence of the weights; None where nobody said."""
        return self.card.licence

    @property
    def supports_half(self) -> bool:
        """Tell whether bfloat16 was checked for it."""
        return self.card.supports_half

    @property
    def multiple(self) -> int:
        """Give what images are padded to, in pixels."""
        return getattr(self.network, 'multiple', 1)

    @property
    def parameters(self) -> int:
        """Count the weights, those of frozen priors included."""
        return sum(weight.numel() for weight in self.network.parameters())

    @cached_property
    def digest(self) -> str:
        """Give the SHA-256 of the weights, the same in every form that they are kept in."""
        return fingerprint(self.network.state_dict())

    def restore(
        self,
        image: Any,
        tile: int | tuple[int, int] | str | None = 'auto',
        overlap: int | None = None,
        strength: float = 1.0,
        degradations: Mapping[str, float] | None = None,
        mask: Any = None,
        self_ensemble: bool = False,
        report: bool = False,
        *,
        task: str | list[str] | None = None,
        not_: str | list[str] | None = None,
        steer_mask: Any = None,
        max_memory: str | int | None = None,
    ) -> Any:
        """Restore a picture, or each of a list.

        Args:
            image: A path, a PIL image, a numpy array (uint8, uint16 or floats in 0 to 1; (H, W), or
                (H, W, C) with C 1, 3 or 4), a tensor (3, H, W) or (B, 3, H, W), or a list of these.
                An alpha is kept, and so are the pixels that it hides and those whose floats lie
                outside 0 to 1.
            tile: ``'auto'``: the whole picture or the largest tiles that memory holds. ``'none'``
                or None: the whole. A number: the largest side; or (height, width).
            overlap: Pixels that neighboring tiles share; None is 32, less where tiles are small.
            strength: 0 leaves the picture, 1 is the network's answer.
            degradations: What the prior is to believe, by name: ``{'rain': 1}``.
            mask: Where to restore: white, on an image of the same size. See ``read_mask``.
            self_ensemble: Take the mean over the eight flips and turns: eight times the time.
            report: Give the report, too.
            task: Name or names of degradations: the same as equal weights.
            not_: Name or names of degradations not to believe in.
            steer_mask: Where ``degradations``, ``task`` or ``not_`` hold; everywhere by default.
            max_memory: What the process (on an accelerator: its memory there) may hold at most,
                such as ``'3G'``.

        Returns:
            The answer, of the kind, size, type and range of ``image``; for a path a
            ``Restoration``, whose ``save`` writes it with all that belongs to the picture. With
            ``report=True`` a pair: the answer and its ``Report``.

        Raises:
            ValueError, TypeError: A value is not what it must be, or memory does not suffice.
            FloatingPointError: The network's answer is not finite.
        """
        options = Options(
            tile,
            overlap,
            strength,
            degradations,
            task,
            not_,
            mask,
            steer_mask,
            self_ensemble,
            max_memory,
        )
        if isinstance(image, (list, tuple)):
            done = [self.run(one, options) for one in image]
            answers = [_answer(one) for one in done]
            return (answers, [one.report for one in done]) if report else answers
        if isinstance(image, Tensor) and image.ndim == 4:
            done = [self.run(one, options) for one in image]
            batch = torch.stack([one.image for one in done]) if done else image
            return (batch, [one.report for one in done]) if report else batch
        one = self.run(image, options)
        return (_answer(one), one.report) if report else _answer(one)

    def run(
        self,
        image: Any,
        options: Options | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Restoration:
        """Restore one picture and keep what it came from, so that its strength can be changed.

        Args:
            image: As for ``restore``, or what ``read_picture`` gave.
            options: How.
            progress: Told the share that is done after each tile, 0 to 1. What it raises ends the
                run within a tile.
        """
        started = time.perf_counter()
        if isinstance(image, (str, Path)):
            from irbox.pictures import read_picture

            image = read_picture(image)
        picture = image if isinstance(image, Picture) else None
        pixels = open_picture(image) if isinstance(image, Picture) else open_image(image)
        options = options or Options()
        height, width = pixels.size
        report = Report(
            (height, width),
            height * width / 1e6,
            str(self.device),
            self.precision,
            notes=[*pixels.notes, *self.runtime_notes],
        )
        values = restore_pixels(self, pixels, options, report, progress)
        report.seconds = round(time.perf_counter() - started, 3)
        return Restoration(pixels, values, report, options.strength, picture)

    @torch.inference_mode()
    def __call__(self, image: Tensor) -> Tensor:
        """Restore a batch without tiles: (B, 3, H, W) in 0 to 1 -> the same, clipped."""
        if not isinstance(image, Tensor) or image.ndim != 4 or image.shape[1] != 3:
            shape = tuple(getattr(image, 'shape', ()))
            raise ValueError(f'A batch of images must be a tensor (B, 3, H, W), got {shape}.')
        given = image.to(self.device, torch.float32)
        context = self.network.describe(given)  # type: ignore[operator]
        with computing_in(self.device, self.dtype):
            answer: Tensor = self.engine(given, context)
        return answer.float().clamp(0, 1).to(image.device, image.dtype)

    def compute_by(
        self, engine: nn.Module, runtime: str, need: MemoryNeed, dtype: torch.dtype, precision: str
    ) -> None:
        """Let another program compute the answers. The network still describes pictures.

        Args:
            engine: Called as the network is, with an image and what is known of the picture.
            runtime: Its name.
            need: What it takes for a tile.
            dtype: That it computes in.
            precision: The same in words, and why.
        """
        self.engine, self.runtime, self._need = engine, runtime, need
        self.dtype, self.precision = dtype, precision
        self.routing_places = None

    def memory_need(self, context: Context) -> MemoryNeed:
        """Give what a tile needs, measured once."""
        if self._need is None:
            self._need = measure_need(self.network, context, self.device, self.dtype)
        return self._need

    def save(self, folder: str | Path, dtype: torch.dtype | None = None) -> Path:
        """Write the model as a folder that ``irbox.load`` and the Hugging Face hub understand.

        Args:
            folder: Made where it is not there.
            dtype: Of the weights in the file; their own by default. ``torch.float16`` halves it,
                and rounds them.

        Raises:
            ValueError: Its weights are kept in the file that they were published in.
        """
        if getattr(self.network, 'brings_weights', False):
            raise ValueError(
                f'{self.name} stays in the file that it was published in, from which its '
                f'architecture follows: copy {self.place}.'
            )
        return write_folder(folder, self.network, self.config, self.card, dtype)

    def __repr__(self) -> str:
        tasks = ', '.join(self.tasks) or 'not stated'
        return (
            f'RestorationModel {self.name} ({tasks}; {self.parameters / 1e6:.2f} M parameters; '
            f'{self.device}, {self.precision.partition(":")[0]}; licence '
            f'{self.licence or "not stated"}; from {self.source})'
        )


def _answer(done: Restoration) -> Any:
    return done if done.picture is not None else done.image
