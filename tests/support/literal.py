"""Layers by their keys in a published file, for answers that are written down step by step."""

from torch.nn import functional as F


def conv(file, name, x, **options):
    """Convolve with the weight of a name, and add its bias if there is one; sizes stay."""
    weight = file[f'{name}.weight']
    options.setdefault('padding', weight.shape[-1] // 2)
    return F.conv2d(x, weight, file.get(f'{name}.bias'), **options)


def layer_norm(file, name, x):
    """Normalise each pixel over its channels."""
    scale, shift = (file[f'{name}.{kind}'] for kind in ('weight', 'bias'))
    return F.layer_norm(x.permute(0, 2, 3, 1), scale.shape, scale, shift).permute(0, 3, 1, 2)


def in_float64(network, file):
    """Give both in float64, in which what sorts or rounds is no longer chance."""
    return network.double(), {name: tensor.double() for name, tensor in file.items()}
