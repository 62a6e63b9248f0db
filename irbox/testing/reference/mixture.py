"""A mixture in which every expert sees every pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from irbox.layers.mixture_of_experts import MixtureOfExperts
from irbox.structures import Routing
from irbox.testing.reference.twins import twin_of, wide


@twin_of(MixtureOfExperts)
class TextbookMixtureOfExperts(MixtureOfExperts):
    """``sum_n w_n E_n(x)`` (M2Restore Eq. 10-11, M2IR Eq. 5-6) or its form with exp and log."""

    def forward(self, x: Tensor, routing: Routing) -> Tensor:
        """(B, C, H, W) -> same shape."""
        out: Tensor | None = None
        for number, expert in enumerate(self.experts):
            answer = wide(expert(x))
            answer = answer.exp() if self.combine == 'logexp' else answer
            weighted = routing.weights[:, number : number + 1] * answer
            out = weighted if out is None else out + weighted
        assert out is not None
        if self.combine == 'logexp':
            out = torch.log(out)
        if self.shared is not None:
            answer = wide(self.shared(x))
            out = out + (answer if routing.shared is None else routing.shared * answer)
        return out.to(x.dtype)
