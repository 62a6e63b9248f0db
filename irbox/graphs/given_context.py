"""A network that is told what is known of an image: tensors in, tensors out."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from irbox.graphs.whole_network import restore_padded
from irbox.networks.restoration_network import RestorationNetwork
from irbox.structures import Context, DegradationPrior


class GivenContext(nn.Module):
    """Pads, restores and crops with what somebody else found out about the whole picture.

    ``WholeNetwork`` describes the image that it is given; here prior and prompt are inputs, so that
    tiles share them and a person may replace them.

    Args:
        network: A ``RestorationNetwork`` that restores as these do.

    Raises:
        ValueError: It computes in a way of its own.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        for method in ('forward', 'pad'):
            own = getattr(type(network), method, None)
            if own is not getattr(RestorationNetwork, method):
                raise ValueError(
                    f'This network cannot be exported with a prior that is given: '
                    f'{type(network).__name__} has a {method} of its own.'
                )
        self.network = network

    def forward(
        self,
        image: Tensor,
        features: Tensor | None = None,
        probabilities: Tensor | None = None,
        content: Tensor | None = None,
        prompt: Tensor | None = None,
    ) -> Tensor:
        """Restore images, (B, 3, H, W) in 0 to 1 -> the same shape, not clipped.

        Args:
            image: RGB.
            features: (B, F), of a prior, where the network has one.
            probabilities: (B, D), likewise.
            content: (B, F), likewise.
            prompt: (B, M), where the network has one.
        """
        prior = None
        if features is not None and probabilities is not None and content is not None:
            prior = DegradationPrior(features, probabilities, content)
        context = Context(image=image, prior=prior, prompt=prompt)
        return restore_padded(self.network, image, context)


def context_inputs(context: Context) -> dict[str, Tensor]:
    """Give what a context knows of images, by the names that ``GivenContext`` takes.

    Raises:
        ValueError: It is of a kind of its own, which may know more.
    """
    if type(context) is not Context:
        raise ValueError(
            'This network cannot be exported with a prior that is given: what it knows of an '
            f'image is a {type(context).__name__}.'
        )
    found = {}
    if context.prior is not None:
        prior = context.prior
        found = {
            'features': prior.features,
            'probabilities': prior.probabilities,
            'content': prior.content,
        }
    return found if context.prompt is None else found | {'prompt': context.prompt}
