"""The shipped model (docs/models.md), second stage: larger crops."""

_base_ = ['small_1.py']

load_from = 'work_dirs/small_1/final.pth'
train_cfg = {'max_iters': 2000, 'val_interval': 2000}
optim_wrapper = {'optimizer': {'lr': 3.0e-4}}
param_scheduler = [{'type': 'CosineAnnealingLR', 'eta_min': 1.0e-6, 'by_epoch': False}]
train_dataloader = {'batch_size': 2, 'dataset': {'patch_size': 128}}
