"""A package for darktable's neural restore."""

from __future__ import annotations

import json
import re
import zipfile
from typing import IO

from irbox.restore.model_card import ModelCard


def write_package(file: IO[bytes], graph: bytes, card: ModelCard) -> None:
    """Write a ``.dtmodel``: a zip of ``config.json`` and ``model.onnx``.

    Args:
        file: Where to.
        graph: A network in ONNX with ``input`` and ``output``, (1, 3, H, W) in 0 to 1.
        card: What the model says of itself.
    """
    tasks = ', '.join(card.tasks) or 'degradations'
    trained = f' Trained on {card.trained_on}.' if card.trained_on else ''
    licence = f' Licence of the weights: {card.licence}.' if card.licence else ''
    config = {
        'id': 'irbox-' + re.sub(r'[^a-z0-9]+', '-', card.name.lower()).strip('-'),
        'name': f'irbox {card.name}',
        'description': f'Removes {tasks}.{trained}{licence}',
        # What darktable calls every network that gives a picture of the same size.
        'task': 'denoise',
        'backend': 'onnx',
        'num_inputs': 1,
    }
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as package:
        package.writestr('config.json', json.dumps(config, indent=2, ensure_ascii=False))
        package.writestr('model.onnx', graph)
