"""Where in a network routings are made."""

from __future__ import annotations

import threading
from typing import Any

from torch import nn

from irbox.structures import Routing


class RoutingPlaces:
    """Listens to a network's call and notes where routings are made, in their order.

    Calls of other threads are not heard.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.places: list[str] = []
        self._last: Routing | None = None

    def __enter__(self) -> list[str]:
        thread = threading.get_ident()

        def listen(name: str) -> Any:
            def heard(module: nn.Module, inputs: Any, output: Any) -> None:
                # What wraps a router gives the same routing again.
                routes = isinstance(output, Routing) and threading.get_ident() == thread
                if routes and output is not self._last:
                    self._last = output
                    self.places.append(name)

            return heard

        self._handles = [
            module.register_forward_hook(listen(name)) for name, module in self._named()
        ]
        return self.places

    def _named(self) -> list[tuple[str, nn.Module]]:
        """Every module that may route, once, with the name of its place in the words of configs.

        Not those of torch and our layers, which make no routings: a layer that is listened to takes
        its slower way.
        """
        declared: Any = getattr(self.network, 'places', dict)
        found = {module: place for place, part in declared().items() for module in part.modules()}
        return [
            (found.get(one, name), one)
            for name, one in self.network.named_modules()
            if not type(one).__module__.startswith(('torch.', 'irbox.layers.'))
        ]

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
