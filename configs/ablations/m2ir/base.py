"""M2IR as its ablations train it: Rain100L alone, 20 epochs (paper, Sec. IV-C)."""

_base_ = ['label.py']

model = dict(losses=dict(label=None))

# The paper gives no schedule for 20 epochs: warm-up and cosine in the proportions of the recipe.
train_cfg = dict(max_epochs=20, val_interval=5)
param_scheduler = [
    dict(type='LinearLR', start_factor=1.0e-3, by_epoch=True, begin=0, end=2),
    dict(type='CosineAnnealingLR', eta_min=1.0e-6, by_epoch=True, begin=2, end=20),
]
