"""M2IR on haze alone (paper, Table V)."""

_base_ = [
    '_base_/models/m2ir.yaml',
    '_base_/datasets/haze_alone.yaml',
    '_base_/schedules/m2ir.yaml',
    '_base_/runtime.yaml',
]

model = dict(network=dict(prior=dict(words=['hazy', 'rainy', 'noisy'])))
