"""M2Restore, small, on the data that installed packages bring along: minutes on two CPU cores."""

_base_ = [
    '_base_/models/m2restore_demo.yaml',
    '_base_/datasets/embedded_demo.yaml',
    '_base_/schedules/demo.yaml',
    '_base_/runtime.yaml',
]
