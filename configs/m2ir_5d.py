"""M2IR on five degradations: haze, rain, noise, blur and low light (paper, Table II)."""

_base_ = [
    '_base_/models/m2ir.yaml',
    '_base_/datasets/five_degradations.yaml',
    '_base_/schedules/m2ir.yaml',
    '_base_/runtime.yaml',
]
