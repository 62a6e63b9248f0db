"""An exported network, run by ONNX Runtime, where a network of torch would stand."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from irbox.networks.restoration_network import check_image
from irbox.restore.exported_facts import ExportedFacts
from irbox.restore.memory import naming_memory
from irbox.structures import Context
from irbox.utils.optional import require

SUFFIX = '.onnx'


class ExportedNetwork(nn.Module):
    """Runs a file that ``irbox export`` wrote, on the CPU.

    What it believes of a picture stays inside: a tile is described by itself, and nothing can be
    steered.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: There is none.
        ImportError: ONNX Runtime is not installed.
        ValueError: It is no file that irbox exported, or its prior is an input.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        runtime: Any = require(
            'onnxruntime', package="'irbox[export]'", needed_by=f'Restoring with {path}'
        )
        if not Path(path).is_file():
            raise FileNotFoundError(f'There is no file {path}.')
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self._session = runtime.InferenceSession(
                str(path), options, providers=['CPUExecutionProvider']
            )
        except Exception as error:  # its exceptions have no kin of their own
            raise ValueError(f'ONNX Runtime cannot read {path}: {error}') from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.facts = ExportedFacts.from_metadata(metadata, str(path))
        if self.facts.prior_is_input:
            raise ValueError(
                f'{path} takes what a prior says as an input, for programs that have one. '
                'irbox restores with the model that it was made of.'
            )
        self.path = Path(path)
        self.multiple = self.facts.multiple

    def digest(self) -> str:
        """Give the SHA-256 of the file."""
        with open(self.path, 'rb') as file:
            return hashlib.file_digest(file, 'sha256').hexdigest()

    def describe(self, image: Tensor) -> Context:
        """Say nothing but the image."""
        check_image(image)
        return Context(image=image)

    def forward(self, image: Tensor, context: Context | None = None) -> Tensor:
        """Restore images, (B, 3, H, W) -> the same.

        Those that are smaller than the file takes are repeated at their edges first.

        Raises:
            MemoryError: It did not suffice.
        """
        check_image(image)
        height, width = image.shape[-2:]
        bottom, right = (max(self.facts.smallest - side, 0) for side in (height, width))
        given = nn.functional.pad(image.float(), (0, right, 0, bottom), mode='replicate')
        with naming_memory():
            (answer,) = self._session.run(['output'], {'input': given.cpu().numpy()})
        return torch.from_numpy(answer)[..., :height, :width].to(image.device)
