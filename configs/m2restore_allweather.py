"""M2Restore on All-weather: snow, raindrops, and rain with fog (paper, Sec. IV-A)."""

_base_ = [
    '_base_/models/m2restore.yaml',
    '_base_/datasets/allweather.yaml',
    '_base_/schedules/adam_200e.yaml',
    '_base_/runtime.yaml',
]
