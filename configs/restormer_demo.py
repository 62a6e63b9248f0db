"""A plain Restormer, small, on the data of the other demos: what they are compared with."""

_base_ = [
    '_base_/models/restormer_demo.yaml',
    '_base_/datasets/embedded_demo.yaml',
    '_base_/schedules/demo.yaml',
    '_base_/runtime.yaml',
]

test_dataloader = {{_base_.val_dataloader}}
test_evaluator = {{_base_.val_evaluator}}
test_cfg = dict(type='MultiTestLoop')
