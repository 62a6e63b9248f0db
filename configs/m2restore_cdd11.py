"""M2Restore on CDD11: low light, haze, rain, snow and their compositions."""

_base_ = [
    '_base_/models/m2restore.yaml',
    '_base_/datasets/cdd11.yaml',
    '_base_/schedules/adam_200e.yaml',
    '_base_/runtime.yaml',
]
