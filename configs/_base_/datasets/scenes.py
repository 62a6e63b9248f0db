"""Generated scenes, drawn while training or from a bank, with the degradations of recipe.yaml."""

_base_ = ['recipe.yaml']

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='SceneDataset',
        # A bank is faster: irbox make-scenes FOLDER, then `bank` in the place of `scenes`.
        scenes=dict(),
        photographs=0.0,
        patch_size=128,
        max_scale=1.5,
        color_jitter=True,
        degradations={{_base_.train_dataloader.dataset.degradations}},
        weights={{_base_.train_dataloader.dataset.weights}},
    )
)
