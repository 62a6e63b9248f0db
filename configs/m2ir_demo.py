"""M2IR, small, on the data that installed packages bring along: minutes on two CPU cores."""

_base_ = [
    '_base_/models/m2ir_demo.yaml',
    '_base_/datasets/embedded_demo.yaml',
    '_base_/schedules/demo.yaml',
    '_base_/runtime.yaml',
]
