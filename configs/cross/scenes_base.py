"""The shipped model's network trained on generated scenes for a short time, and tried on photographs that it has not seen."""

_base_ = [
    '../_base_/models/small.yaml',
    '../_base_/datasets/scenes.py',
    '../_base_/datasets/whole_photographs.yaml',
    '../_base_/schedules/demo.yaml',
    '../_base_/runtime.yaml',
]
train_cfg = {'max_iters': 300}
train_dataloader = {'batch_size': 4, 'dataset': {'patch_size': 96}}
# Nothing is chosen on the way. A clean picture, which nothing can be gained on, is left out of the mean.
val_dataloader = val_evaluator = val_cfg = None
test_dataloader = {'dataset': {'degradations': {'clean': None}}}
