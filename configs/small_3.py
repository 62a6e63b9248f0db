"""The shipped model (docs/models.md), a stage that goes on from shipped weights, without a GPU.

More of what it does worst (blur, JPEG, drops on the lens), larger crops, and a quarter of each
batch restored twice. The rate stays: ``small_4.py`` takes the averaged weights down.
"""

_base_ = ['small_1.py']

load_from = 'irbox/weights/small/model.safetensors'
train_cfg = {'max_iters': 20000, 'val_interval': 20000}
model = {
    'again': 0.25,
    'losses': {'pixel': {'_delete_': True, 'type': 'PSNRLoss', 'weight': 0.05, 'eps': 1e-4}},
}
optim_wrapper = {'optimizer': {'lr': 3e-4}}
train_dataloader = {
    'batch_size': 4,
    'dataset': {
        'patch_size': 192,
        'photographs': 0.1,
        'weights': {'raindrops': 3.5, 'jpeg': 3.5, 'defocus': 3, 'motion_blur': 3, 'clean': 3},
    },
}
default_hooks = {'checkpoint': {'interval': 100}}
amp = 'bf16'
