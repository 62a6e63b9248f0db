"""The shipped model (docs/models.md), first of its stages on a GPU: larger batches and crops."""

_base_ = ['small_1.py']

train_cfg = {'max_iters': 2000, 'val_interval': 2000}
# A GPU takes batches as fast as 14 processes make them.
train_dataloader = {'batch_size': 20, 'num_workers': 14, 'dataset': {'patch_size': 160}}
optim_wrapper = {'optimizer': {'lr': 1.2e-3}}
default_hooks = {'checkpoint': {'interval': 500}}
env_cfg = {'cudnn_benchmark': True}
amp = 'bf16'
