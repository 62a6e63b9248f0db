"""A small network trained on generated scenes, and tried on photographs that it has not seen."""

_base_ = [
    '../_base_/models/restormer_demo.yaml',
    '../_base_/datasets/scenes.py',
    '../_base_/datasets/whole_photographs.yaml',
    '../_base_/schedules/demo.yaml',
    '../_base_/runtime.yaml',
]
