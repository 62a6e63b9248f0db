"""The shipped model (docs/models.md), first of its stages: small crops."""

_base_ = [
    '_base_/models/small.yaml',
    '_base_/datasets/shipped.py',
    '_base_/schedules/small.yaml',
    '_base_/runtime.yaml',
]
train_dataloader = {'batch_size': 4, 'dataset': {'patch_size': 96}}
default_hooks = {'checkpoint': {'interval': 500}}
