"""M2IR on three degradations, tested on snow, which it has not seen (paper, Table VI)."""

_base_ = [
    '_base_/models/m2ir.yaml',
    '_base_/datasets/csd_unseen.yaml',
    '_base_/schedules/m2ir.yaml',
    '_base_/runtime.yaml',
]

model = dict(network=dict(prior=dict(words=['hazy', 'rainy', 'noisy'])))
