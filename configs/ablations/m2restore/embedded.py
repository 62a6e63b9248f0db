"""M2Restore's ablations for minutes on a CPU: embedded photographs, no DA-CLIP."""

_base_ = ['../../m2restore_demo.py']

model = dict(network=dict(dim=12, depths=[1, 1, 1, 1]))
train_dataloader = dict(num_workers=0, persistent_workers=False)
train_cfg = dict(max_iters=200, val_interval=200)
# Without the gate nothing reads the learned prior's embedding.
find_unused_parameters = True
