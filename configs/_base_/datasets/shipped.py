"""What the shipped model trains on: a bank of generated scenes, and five photographs now and then.

``irbox make-scenes data/scenes --num 500`` writes the bank.
"""

_base_ = ['scenes.py', 'whole_photographs.yaml']

train_dataloader = dict(
    num_workers=1,
    dataset=dict(
        scenes=None,
        bank='data/scenes',
        photographs=0.25,
        color_jitter=False,
        # What is seen best is seen most, and what is nearly right often enough to be left alone.
        weights=dict(
            haze=2.5,
            rain=2,
            snow=2,
            noise=2,
            low_light=2,
            clean=2.5,
            jpeg=2,
            defocus=1.5,
            raindrops=1.5,
            motion_blur=1.5,
        ),
    ),
)
# Once and not three times each: a validation is to take two minutes.
val_dataloader = dict(dataset=dict(draws=1))
