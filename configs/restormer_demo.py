"""A plain Restormer, small, on the data of the other demos: what they are compared with."""

_base_ = [
    '_base_/models/restormer_demo.yaml',
    '_base_/datasets/embedded_demo.yaml',
    '_base_/schedules/demo.yaml',
    '_base_/runtime.yaml',
]
