"""M2IR on WeatherBench: real haze, rain and snow (paper, Table IV)."""

_base_ = [
    '_base_/models/m2ir.yaml',
    '_base_/datasets/weatherbench.yaml',
    '_base_/schedules/m2ir.yaml',
    '_base_/runtime.yaml',
]

model = dict(network=dict(prior=dict(words=['hazy', 'rainy', 'snowy'])))
