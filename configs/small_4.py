"""The shipped model (docs/models.md), a stage that goes on from `small_3.py`, without a GPU."""

_base_ = ['small_3.py']

load_from = 'work_dirs/small_3/final.pth'
train_cfg = {'max_iters': 1300, 'val_interval': 1300}
train_dataloader = {
    'dataset': {
        'photographs': 0.2,
        'weights': {'jpeg': 4.5, 'low_light': 3.5, 'raindrops': 1.5, 'rain': 1.5, 'clean': 2.5},
    },
}
optim_wrapper = {'optimizer': {'lr': 3.0e-4}}
param_scheduler = [
    {'type': 'LinearLR', 'start_factor': 0.01, 'by_epoch': False, 'begin': 0, 'end': 20},
    {'type': 'CosineAnnealingLR', 'eta_min': 1.0e-6, 'by_epoch': False, 'begin': 20, 'end': 1300},
]
default_hooks = {'checkpoint': {'interval': 100}}
