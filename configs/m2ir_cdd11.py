"""M2IR on CDD11: low light, haze, rain, snow and their compositions (paper, Table III)."""

_base_ = [
    '_base_/models/m2ir.yaml',
    '_base_/datasets/cdd11_128.yaml',
    '_base_/schedules/m2ir.yaml',
    '_base_/runtime.yaml',
]

model = dict(network=dict(prior=dict(words=['low-light', 'hazy', 'rainy', 'snowy'])))
