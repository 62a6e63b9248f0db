"""The papers' equations, as anybody writes them first: what fast layers are compared with."""

# The modules of twins are imported for what they enter in `irbox.testing.reference.twins.TWINS`.
from irbox.testing.reference import (
    attention,
    convolution,
    experts,
    feed_forward,
    frequency,
    frequency_block,
    mamba,
    mamba_cnn,
    mixture,
    network,
    norm,
    routed_blocks,
    routers,
    transformer,
)
from irbox.testing.reference.textbook import textbook

__all__ = [
    'attention',
    'convolution',
    'experts',
    'feed_forward',
    'frequency',
    'frequency_block',
    'mamba',
    'mamba_cnn',
    'mixture',
    'network',
    'norm',
    'routed_blocks',
    'routers',
    'textbook',
    'transformer',
]
