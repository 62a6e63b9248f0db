"""The models of a page, each loaded once for each device."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import torch

from irbox.restore.devices import choose_device
from irbox.restore.restoration_model import RestorationModel

Load = Callable[[str, str], RestorationModel]


class Shelf:
    """The models of a page, each loaded once for each device.

    Args:
        names: What to load: the first restores where the visitor chooses none. A name that comes
            again is loaded once.
        load: From such a name and a device to a model.
        device: Of a visitor who chooses none.

    Raises:
        ValueError, OSError: One cannot be loaded.
    """

    def __init__(self, names: Sequence[str], load: Load, device: str = 'auto') -> None:
        self._load = load
        self._lock = threading.Lock()
        self._loaded: dict[tuple[str, str], RestorationModel] = {}
        self.device = str(choose_device(device))
        names = list(dict.fromkeys(names))
        models = [load(name, self.device) for name in names]
        labels = [model.name for model in models]
        self._sources = {
            label if labels.count(label) == 1 else name: name
            for label, name in zip(labels, names, strict=True)
        }
        for label, model in zip(self._sources, models, strict=True):
            self._loaded[label, self.device] = model

    @property
    def names(self) -> list[str]:
        """List the models, as visitors see them."""
        return list(self._sources)

    @property
    def devices(self) -> list[str]:
        """List what can be chosen: the page's own device first, then the others here."""
        found = ['cpu']
        if torch.accelerator.is_available():
            kind = torch.accelerator.current_accelerator()
            assert kind is not None
            count = torch.accelerator.device_count()
            found += [
                f'{kind.type}:{number}' if count > 1 else kind.type for number in range(count)
            ]
        return [self.device, *(one for one in found if one != self.device)]

    def get(self, name: str | None = None, device: str | None = None) -> RestorationModel:
        """Give a model, loaded on a device; the first and the page's own by default.

        Raises:
            ValueError: There is no such model or device here.
        """
        name = name or self.names[0]
        if name not in self._sources:
            raise ValueError(f'This page has no model {name!r}. It has: {", ".join(self.names)}.')
        device = self.device if device in (None, '', 'auto') else device
        if device not in self.devices:
            raise ValueError(f'There is no device {device!r} here: {", ".join(self.devices)}.')
        with self._lock:
            if (name, device) not in self._loaded:
                self._loaded[name, device] = self._load(self._sources[name], device)
            return self._loaded[name, device]
