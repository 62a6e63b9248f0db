"""M2IR's ablations for minutes on a CPU: embedded photographs, no DA-CLIP."""

_base_ = ['../../m2ir_demo.py']

model = dict(
    network=dict(
        dim=12,
        depths=[1, 1, 1, 1],
        # In the place of DA-CLIP: a prior that learns the names of the degradations. It is as large
        # as the one that learns without them (mlp_prior.yaml): the names are all that differs.
        prior=dict(feature_dim=512),
    )
)
train_dataloader = dict(num_workers=0, persistent_workers=False)
train_cfg = dict(max_iters=200, val_interval=200)
