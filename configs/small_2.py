"""The shipped model (docs/models.md), last stage: larger crops, and a rate that falls to zero."""

_base_ = ['small_1.py']

load_from = 'work_dirs/small_1/final.pth'
train_cfg = {'max_iters': 2300, 'val_interval': 2300}
optim_wrapper = {'optimizer': {'lr': 4.0e-4}}
param_scheduler = [
    {'type': 'LinearLR', 'start_factor': 0.01, 'by_epoch': False, 'begin': 0, 'end': 100},
    {'type': 'CosineAnnealingLR', 'eta_min': 1.0e-6, 'by_epoch': False, 'begin': 100, 'end': 2300},
]
train_dataloader = {'batch_size': 3, 'dataset': {'patch_size': 144}}
default_hooks = {'checkpoint': {'interval': 250}}
