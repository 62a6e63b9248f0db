"""The shipped model's data with more of what it does worst: blur, JPEG, drops on the lens."""

_base_ = ['shipped.py']

train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        patch_size=192,
        photographs=0.1,
        weights=dict(raindrops=3.5, jpeg=3.5, defocus=3, motion_blur=3, clean=3),
    ),
)
