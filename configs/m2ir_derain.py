"""M2IR on rain alone (paper, Table V)."""

_base_ = [
    '_base_/models/m2ir.yaml',
    '_base_/datasets/rain_alone.yaml',
    '_base_/schedules/m2ir.yaml',
    '_base_/runtime.yaml',
]

model = dict(network=dict(prior=dict(words=['hazy', 'rainy', 'noisy'])))
