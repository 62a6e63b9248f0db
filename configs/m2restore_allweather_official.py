"""M2Restore on All-weather as its public code trains and tests it.

No augmentation, batches of 4; both images of the raindrop test are resized to 720x480.
"""

_base_ = [
    '_base_/models/m2restore_official.yaml',
    '_base_/datasets/allweather.yaml',
    '_base_/schedules/m2restore_official.yaml',
    '_base_/runtime.yaml',
]

train_dataloader = dict(batch_size=4, dataset=dict(augment='none'))
val_dataloader = dict(raindrop=dict(dataset=dict(resize=[720, 480])))
