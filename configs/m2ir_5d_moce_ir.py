"""M2IR on five degradations in MoCE-IR's mixture, with eight times as much blur."""

_base_ = [
    '_base_/models/m2ir.yaml',
    '_base_/datasets/five_degradations_moce_ir.yaml',
    '_base_/schedules/m2ir.yaml',
    '_base_/runtime.yaml',
]
