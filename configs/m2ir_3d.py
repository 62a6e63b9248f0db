"""M2IR on three degradations: haze, rain and noise (paper, Table I)."""

_base_ = [
    '_base_/models/m2ir.yaml',
    '_base_/datasets/three_degradations.yaml',
    '_base_/schedules/m2ir.yaml',
    '_base_/runtime.yaml',
]

model = dict(network=dict(prior=dict(words=['hazy', 'rainy', 'noisy'])))
