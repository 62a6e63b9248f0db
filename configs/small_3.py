"""The shipped model (docs/models.md), a stage that goes on from its weights, without a GPU."""

_base_ = [
    '_base_/models/small.yaml',
    '_base_/datasets/shipped_worst.py',
    '_base_/schedules/small.yaml',
    '_base_/runtime.yaml',
]
load_from = 'irbox/weights/small/model.safetensors'
train_cfg = {'max_iters': 600, 'val_interval': 600}
model = {
    'again': 0.25,
    'losses': {'pixel': {'_delete_': True, 'type': 'PSNRLoss', 'weight': 0.05}},
}
optim_wrapper = {'optimizer': {'lr': 1.5e-4}}
param_scheduler = [
    {'type': 'LinearLR', 'start_factor': 0.01, 'by_epoch': False, 'begin': 0, 'end': 20},
    {'type': 'CosineAnnealingLR', 'eta_min': 1.0e-6, 'by_epoch': False, 'begin': 20, 'end': 600},
]
compile_blocks, amp = False, 'bf16'
