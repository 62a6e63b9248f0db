"""The shipped model (docs/models.md), first of its stages on a GPU: larger batches and crops."""

_base_ = ['small_1.py']

train_cfg = {'max_iters': 4000, 'val_interval': 4000}
# A step of fewer crops takes as long: it waits for the processor that launches it.
train_dataloader = {'batch_size': 64, 'num_workers': 10, 'dataset': {'patch_size': 160}}
optim_wrapper = {'optimizer': {'lr': 1.2e-3}}
default_hooks = {'checkpoint': {'interval': 500}}
env_cfg = {'cudnn_benchmark': True}
compile_blocks = False
amp = 'bf16'
