"""M2Restore, small, with a backbone of timm as its prior, on the data of the other demos."""

_base_ = [
    '_base_/models/m2restore_timm_demo.yaml',
    '_base_/datasets/embedded_demo.yaml',
    '_base_/schedules/demo.yaml',
    '_base_/runtime.yaml',
]
