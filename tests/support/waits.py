"""Operators for whose answer, or for whose input, a host waits that shares work with a device."""

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

READ = {
    '_local_scalar_dense',
    'nonzero',
    'masked_select',
    'equal',
    'unique_consecutive',
    'unique_dim',
    '_unique',
    '_unique2',
    'bincount',
    'is_nonzero',
}
"""Whose answer, or whose answer's size, depends on numbers."""
MASKS = ('bool', 'uint8')


class Waits(TorchDispatchMode):
    """Notes operators that make a host wait, in ``found``.

    On a CPU those that read numbers; on the meta device also numbers of the host that are sent
    there, which ``torch.tensor`` does from memory that is not pinned.
    """

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        answer = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        by_mask = name.startswith('index') and any(
            str(one.dtype).removeprefix('torch.') in MASKS for one in given[1:]
        )
        counted = name == 'repeat_interleave' and (kwargs or {}).get('output_size') is None
        gave = [one for one in tree_leaves(answer) if isinstance(one, Tensor)]
        sent = any(one.is_meta for one in gave) and (
            name == 'lift_fresh' or any(not one.is_meta and one.ndim for one in given)
        )
        if name in READ or by_mask or counted or sent:
            self.found.append(name)
        return answer
