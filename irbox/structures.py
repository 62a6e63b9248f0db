"""The records that parts are built with and run with.

Letters used in shapes everywhere: ``B`` batch, ``C`` channels, ``H W`` height and width of the
feature map, ``N`` experts, ``K`` selected experts, ``F`` prior feature size, ``D`` degradation
names, ``M`` prompt size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Stage:
    """Says what a part may know when it is built.

    Examples:
        >>> stage = Stage(dim=48, heads=1)
        >>> stage.dim, stage.prior_dim
        (48, 0)
    """

    dim: int
    """C at this place of the network."""
    heads: int
    """Attention heads at this level."""
    prior_dim: int = 0
    """F, 0 when the network has no prior."""
    num_degradations: int = 0
    """D, 0 when the network has no prior."""
    prompt_dim: int = 0
    """M, 0 when the network has no prompt."""


@dataclass(frozen=True)
class DegradationPrior:
    """Holds what is believed about a batch of degraded images."""

    features: Tensor
    """(B, F) degradation embedding."""
    probabilities: Tensor
    """(B, D), sums to 1 over D."""
    content: Tensor
    """(B, F) content embedding."""


@dataclass(frozen=True)
class Routing:
    """Says which experts each pixel goes to, and how strongly."""

    weights: Tensor
    """(B, N, H, W), zero where an expert is not selected."""
    load: Tensor
    """(N,), how often each expert was selected, or a smooth estimate of it."""
    scores: Tensor | None = None
    """(B, N, H, W), each expert's probability before any was selected, for losses that judge it;
    None where the router has none but the weights."""
    shared: Tensor | None = None
    """(B, 1, H, W), weight of the expert that every pixel visits besides, where there is one; None
    counts as 1."""
    top_k: int | None = None
    """To how many experts a pixel goes at most, where the router says so."""


@dataclass(frozen=True)
class Gate:
    """Says how much of a feature map a block lets through, pixel by pixel: a gate map.

    Examples:
        >>> import torch
        >>> gate = Gate(torch.full((1, 1, 8, 8), 0.25), weighs='cnn')
        >>> gate.weighs, gate.values.mean().item()
        ('cnn', 0.25)
    """

    values: Tensor
    """(B, C, H, W), or (B, 1, H, W) for all channels alike; 0 (closed) to 1 (open)."""
    weighs: str
    """What is multiplied by the values: ``'attention'`` (M2IR), or the branch ``'cnn'`` or
    ``'mamba'`` (M2Restore), where the other branch gets the rest."""


@dataclass(frozen=True)
class Features:
    """Holds a feature map that a network hands from one level to the next."""

    values: Tensor
    """(B, C, H, W)."""
    place: str
    """Which, such as ``'encoder 1'``."""


@dataclass(frozen=True)
class Bands:
    """Holds the low and the high frequencies that a block splits a map into."""

    low: Tensor
    """(B, C, H, W)."""
    high: Tensor
    """(B, C, H, W)."""


@dataclass
class Context:
    """Holds what every part may know about the images being restored.

    It lives for one call of the network.

    Examples:
        >>> import torch
        >>> context = Context(image=torch.zeros(1, 3, 8, 8), gates=[])
        >>> weights = torch.zeros(1, 2, 8, 8)
        >>> context.record(Routing(weights=weights, load=torch.tensor([0.0, 64.0])))
        >>> context.record(Gate(torch.ones(1, 1, 8, 8), weighs='mamba'))
        >>> len(context.routings), len(context.gates)
        (1, 1)
    """

    image: Tensor
    """(B, 3, H0, W0), the degraded images, RGB, 0 to 1 (blocks see them padded, and in the range
    that the network works on)."""
    prior: DegradationPrior | None = None
    prompt: Tensor | None = None
    """(B, M)."""
    routings: list[Routing] = field(default_factory=list)
    """What the routing parts decided, in the order in which they ran."""
    labels: list[str] | None = None
    """What the B images really suffer from, for losses; None while the network runs."""

    gates: list[Gate] | None = None
    """The gates that were used, in the order in which their blocks ran, where somebody asks for
    them by ``gates=[]``; with None none is kept, and they cost no memory."""

    records: list[Any] | None = None
    """All that parts record, routings and gates too, in the order in which they ran, where somebody
    asks for it by ``records=[]``; with None only routings (and gates, if asked for) are kept."""

    @property
    def keeps_gates(self) -> bool:
        """Whether a ``Gate`` that is recorded is kept: else none needs to be made for it."""
        return self.gates is not None or self.records is not None

    def record(self, what: Any) -> None:
        """Keep what a part found, for losses that judge it and analyses that show it.

        A block whose activations are recomputed in the backward pass records twice: read the
        records before it.

        Args:
            what: A ``Routing``, which is always kept; a ``Gate``, ``Features``, ``Bands`` or a
                record of one's own, kept only where somebody asked.
        """
        if isinstance(what, Routing):
            self.routings.append(what)
        elif self.gates is not None and isinstance(what, Gate):
            self.gates.append(what)
        if self.records is not None:
            self.records.append(what)

    def record_gate(self, gate: Gate) -> None:
        """Record a gate: the same as ``record``."""
        self.record(gate)
