"""The shipped network, trained on scenes for a short time and tried on photographs held out."""

_base_ = [
    '../_base_/models/small.yaml',
    '../_base_/datasets/scenes.py',
    '../_base_/datasets/whole_photographs.yaml',
    '../_base_/schedules/demo.yaml',
    '../_base_/runtime.yaml',
]
train_cfg = {'max_iters': 300}
train_dataloader = {'batch_size': 4, 'dataset': {'patch_size': 96}}
# Nothing is chosen on the way. Nothing can be gained on a clean picture: no part of the mean.
val_dataloader = val_evaluator = val_cfg = None
test_dataloader = {'dataset': {'degradations': {'clean': None}}}
