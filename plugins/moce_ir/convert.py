"""MoCE-IR's released weights under our names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from torch import Tensor, nn

from irbox.conversion import published_name, rename_weights

# Ours -> published, see published_name.
_PLACES = {
    'embed.': 'patch_embed.proj.',
    'bottleneck.': 'latent.layers.',
    'embedding.high_pass.': 'freq_embed.high_conv.0.conv.',
    'embedding.mlp.': 'freq_embed.mlp.',
    'refinement.': 'refinement.layers.',
} | {
    ours.format(level): theirs.format(level)
    for level in range(3)
    for ours, theirs in (
        ('encoders.{}.', 'enc.{}.0.layers.'),
        ('downs.{}.0.', 'enc.{}.1.body.0.'),
        ('ups.{}.0.', 'dec.{}.0.body.0.'),
        ('reduces.{}.', 'dec.{}.1.'),
        ('decoders.{}.', 'dec.{}.2.layers.'),
    )
}
_PARTS = {
    'norm1.': 'norms.0.body.',
    'norm2.': 'norms.1.body.',
    'attn.': 'mixer.',
    'to_shared.': 'proj.0.',
    'to_routed.': 'proj.1.',
    'mixture.router.score.': 'adapter.routing.gate.2.',
    'mixture.router.score_embedding.': 'adapter.routing.freq_gate.',
    'mixture.project_out.': 'adapter.proj_out.',
    'mixture.': 'adapter.',
}
_OF_EXPERTS = {'down.': 'proj.0.', 'down_shared.': 'proj.1.', 'up.': 'proj.2.', 'body.': 'body.'}
# A number for each expert, which follows from its size.
_LEFT_OUT = re.compile(r'dec\.\d\.2\.layers\.\d+\.adapter\.routing\.complexity$')
_BODY = re.compile(r'(.*adapter\.experts\.\d+\.0\.body)\.(.+)\.(weight|bias)$')


def convert(released: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Give the released weights of MoCE-IR the names of a ``MoCEIR``.

    What stands inside an expert's ``body`` is told apart by shapes, whatever it is called.

    Args:
        released: The ``state_dict`` of the released file, with or without a leading ``net.``.
        network: What the weights are for; it may be on the meta device.

    Raises:
        ValueError: Weights are missing, unknown or of another shape.
    """
    return rename_weights(_name_bodies(released), network, _name_of, 'MoCE-IR', _LEFT_OUT)


def _name_of(key: str) -> str:
    name = published_name(key, _PLACES, _PARTS)
    return re.sub(
        r'(adapter\.experts\.\d+)\.(\w+\.)',
        lambda found: f'{found[1]}.0.{_OF_EXPERTS[found[2]]}',
        name,
    )


def _name_bodies(released: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Call the layers of each body what ``WindowAttention`` calls them."""
    layers: dict[tuple[str, str], dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in released.items():
        if found := _BODY.match(name):
            layers[found[1], found[2]][found[3]] = tensor
    roles = {key: _role(layer) for key, layer in layers.items()}

    def renamed(name: str) -> str:
        found = _BODY.match(name)
        return f'{found[1]}.{roles[found[1], found[2]]}.{found[3]}' if found else name

    return {renamed(name): tensor for name, tensor in released.items()}


def _role(layer: Mapping[str, Tensor]) -> str:
    """Which layer of a ``WindowAttention`` has such a weight and such a bias or none."""
    shape = tuple(layer['weight'].shape) if 'weight' in layer else ()
    if len(shape) == 1:
        return 'norm'
    if len(shape) == 4 and shape[-1] > 1:
        return 'q_dwconv' if shape[-1] == 3 else 'kv_dwconv'
    if len(shape) == 4 and shape[0] == 2 * shape[1]:
        return 'kv'
    return 'project_out' if 'bias' in layer else 'q'
