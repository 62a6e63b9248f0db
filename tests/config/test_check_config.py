import inspect
import re

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from irbox.config.check_config import SECTIONS, check_config
from irbox.config.load_config import load_config
from support.paths import ROOT, TINY

CONFIGS = sorted(ROOT.glob('configs/*.py'))


def merged(content, changes):
    config = Config(content)
    config.merge_from_dict(changes)
    return config


@pytest.fixture(scope='module')
def content():
    return load_config(TINY).to_dict()


MISTAKES = [
    # misspelt keys, at every level
    ('modle.type', 'x', "modle: unknown key 'modle'. Did you mean 'model'?"),
    ('train_cfgs', {'max_iters': 1}, "Did you mean 'train_cfg'?"),
    (
        'train_cfg.max_iter',
        3,
        "train_cfg.max_iter: loop IterationTrainLoop .* Did you mean 'max_iters'",
    ),
    ('train_cfg.val_intervall', 3, "Did you mean 'val_interval'"),
    ('model.netwrok', {}, "model.netwrok: model Restorer .* Did you mean 'network'"),
    ('model.network.widht', 3, "model.network.widht: model TinyNetwork .*'width'"),
    ('model.losses.pixel.wieght', 3, "model.losses.pixel.wieght: loss L1Loss .*'weight'"),
    ('train_dataloader.batchsize', 3, "train_dataloader.batchsize: .*'batch_size'"),
    ('train_dataloader.dataset.lenght', 3, "train_dataloader.dataset.lenght: .*'length'"),
    (
        'train_dataloader.sampler',
        {'type': 'DrawSampler', 'shufle': 1},
        "sampler.shufle: .*'shuffle'",
    ),
    ('val_dataloader.dark.num_worker', 1, "val_dataloader.dark.num_worker: .*'num_workers'"),
    ('val_dataloader.mixed.dataset.labls', [], "val_dataloader.mixed.dataset.labls: .*'labels'"),
    ('val_evaluator.protcol', 'aio', "val_evaluator.protcol: .*'protocol'"),
    ('optim_wrapper.acumulative_counts', 2, "'accumulative_counts'"),
    ('optim_wrapper.optimizer.weight_deacy', 0.1, "optimizer.weight_deacy: .*'weight_decay'"),
    ('optim_wrapper.clip_grad.max_nrom', 1, "optim_wrapper.clip_grad.max_nrom: .*'max_norm'"),
    ('optim_wrapper.clip_grad', {'clip_value': 0.1}, 'needs max_norm.* {type: value, clip_value'),
    ('optim_wrapper.clip_grad', {'norm_type': 2.0}, 'clip_grad: it needs max_norm'),
    ('optim_wrapper.clip_grad', {'max_norm': 1, 'clip_value': 1}, 'and no clip_value'),
    ('optim_wrapper.clip_grad', {'type': 'value', 'max_norm': 1}, 'needs clip_value, and no max'),
    ('optim_wrapper.paramwise_cfg', {'norm_decay': 0}, "'norm_decay_mult'"),
    (
        'optim_wrapper.paramwise_cfg',
        {'custom_keys': {'network': {'lr_mul': 0.1}}},
        "paramwise_cfg.custom_keys.network.lr_mul: .*'lr_mult'",
    ),
    ('param_scheduler.1.eta_mn', 0, "param_scheduler.1.eta_mn: .*'eta_min'"),
    (
        'default_hooks.chekpoint',
        {'type': 'CheckpointHook'},
        "default_hooks.chekpoint: .*'checkpoint'",
    ),
    ('default_hooks.checkpoint', {'type': 'CheckpointHook', 'max_keep': 3}, "'max_keep_ckpts'"),
    ('default_hooks.logger.intervl', 3, "default_hooks.logger.intervl: .*'interval'"),
    ('custom_hooks', [{'type': 'KillHook', 'iter': 3}], "custom_hooks.0.iter: .*'iteration'"),
    ('ema.momentun', 0.1, "ema.momentun: hook EMAHook .*'momentum'"),
    ('env_cfg.mp_cfg.opencv_threads', 0, "env_cfg.mp_cfg.opencv_threads: .*'opencv_num_threads'"),
    ('randomness.sed', 1, "randomness.sed: .*'seed'"),
    ('randomness.diff_rank_seed', True, 'randomness.diff_rank_seed: .*no known key'),
    ('log_processor.by_epochs', False, "log_processor.by_epochs: .*'by_epoch'"),
    ('visualizer', {'vis_backend': []}, "visualizer.vis_backend: .*'vis_backends'"),
    # misspelt parts
    ('model.type', 'Restorr', "model.type: No model is called 'Restorr'. Did you mean 'Restorer'"),
    ('model.network.type', 'TinyNetwrok', "model.network.type: No model .*'TinyNetwork'"),
    ('model.losses.pixel.type', 'L1Los', "model.losses.pixel.type: No loss .*'L1Loss'"),
    ('train_dataloader.dataset.type', 'TinyPair', "No dataset .*'TinyPairs'"),
    ('val_evaluator.type', 'RestorationMetrics', "No metric .*'RestorationMetric'"),
    ('optim_wrapper.optimizer.type', 'AdamX', "No optimizer .*'Adam"),
    ('param_scheduler.0.type', 'LinaerLR', "param_scheduler.0.type: .*'LinearLR'"),
    ('ema.type', 'EMAHok', "No hook .*'EMAHook'"),
    ('model.losses.pixel', {'weight': 1}, 'model.losses.pixel: .*`_delete_`|needs'),
    # what is not a name at all
    ('model.type', 3, r'model.type: The type of a model must be a name, got 3'),
    ('model.network.type', 'os.getcwd', r"model.network.type: dotted type names \('os.getcwd'\)"),
    # numbers that YAML read as text
    ('optim_wrapper.optimizer.lr', '2e-4', r"lr: '2e-4' is text, not a number.*Write 2.0e-4\."),
    ('model.network.width', '8', "model.network.width: '8' is text.*Write 8"),
    ('model.network.noise', '1e5', 'Write 1.0e\\+5'),
    ('model.losses.pixel.weight', '0.5', 'Write 0.5'),
    ('optim_wrapper.clip_grad.max_norm', '1e-1', 'Write 1.0e-1'),
    ('param_scheduler.1.eta_min', '1e-6', r"param_scheduler.1.eta_min: '1e-6'"),
    ('ema.momentum', '5e-3', 'ema.momentum'),
    # left-overs
    ('model.network._delete_', True, 'model.network._delete_: .*nothing in the base'),
    ('model.network.width', '{{_base_.w}}', 'model.network.width: .*alone and without quotes'),
    ('model.network.width', '"_width_1a2b3c"', 'alone and without quotes'),
    # wrong shapes and values
    ('model', [1], 'model: a model is a mapping'),
    ('train_cfg', {'type': 'EpochBasedTrainLoop', 'max_epochs': 3}, 'counts iterations'),
    ('train_cfg.by_epoch', True, 'counts iterations'),
    ('train_cfg.max_epochs', 3, 'either max_iters or max_epochs'),
    ('train_cfg.max_iters', 0, 'train_cfg.max_iters: 0 must be a whole number above 0'),
    ('train_cfg.max_iters', 1.5, 'must be a whole number'),
    ('optim_wrapper.accumulative_counts', 0, 'accumulative_counts: 0 must be'),
    ('optim_wrapper.optimizer', None, 'optim_wrapper.optimizer: a optimizer|mapping'),
    ('train_dataloader.dataset', None, 'train_dataloader.dataset: a dataset is a mapping'),
    ('val_dataloader', {'datset': {}, 'batch_size': 1}, "needs `dataset`. Did you mean 'datset'"),
    ('val_dataloader', {}, 'there is no set'),
    (
        'val_dataloader.dark',
        {'batch_size': 1},
        'val_dataloader.dark: a data loader needs `dataset`',
    ),
    ('custom_hooks', {'type': 'KillHook'}, 'must be a list'),
    ('default_hooks.logger', {'interval': 3}, 'default_hooks.logger: a hook needs the key `type`'),
    # what the annotations of parts say
    ('model.network.width', 2.5, 'model.network.width: 2.5 must be a whole number'),
    ('model.network.width', True, 'model.network.width: true must be a whole number'),
    ('model.network.width', None, 'width: null must be .* Leave it out for the default, 4'),
    ('model.network.norm', '', "norm: '' must be true or false, without quotes"),
    ('model.network.noise', float('nan'), 'noise: nan must be a finite number'),
    ('model.losses', [], r'model.losses: \[\] must be a mapping or null'),
    ('model.losses', {3: {'type': 'L1Loss'}}, 'model.losses: 3 is a name in it, and must be text'),
    ('model.losses.pixel', {}, 'model.losses.pixel: a loss needs the key `type`'),
    ('model.losses.pixel.type', 'BalanceLoss', 'model.losses: BalanceLoss compares no images'),
    ('model.losses.pixel.type', 3, 'model.losses.pixel.type: .*must be a name, got 3'),
    ('model.losses.pixel.weight', -1, 'weight: -1 must be a number of at least 0'),
    ('train_dataloader.num_workers', '3', "train_dataloader.num_workers: '3' is text.*Write 3"),
    ('train_dataloader.batch_size', 0, 'train_dataloader.batch_size: 0 must be .* above 0'),
    ('train_dataloader.num_batch_per_epoch', 3, "'num_batch_per_epoch' is no known key"),
    ('train_dataloader.batch_size', 10**30, 'must be a whole number that fits into 64 bits'),
    ('train_dataloader.dataset.labels', None, 'labels: null must be a list'),
    ('train_dataloader.dataset.labels', 'dark', r"'dark' must be a list, such as \['dark'\]"),
    ('train_dataloader.dataset.labels', ['dark', 3], 'labels.1: 3 must be text'),
    ('param_scheduler.0.by_epoch', '', "param_scheduler.0.by_epoch: '' must be true or false"),
    ('default_hooks.checkpoint', {'type': 'CheckpointHook', 'max_keep_ckpts': 1}, 'crash'),
    ('ema.momentum', 1, 'ema.momentum: 1 must be a number above 0 and below 1'),
    ('randomness.seed', 'x', "randomness.seed: 'x' is text; a number is needed"),
    ('plugins', [3], 'plugins.0: 3 must be text'),
    (
        'train_dataloader.dataset',
        {'type': 'PairedImageDataset', 'sources': {'a': {}}, 'strict': 'yes'},
        "train_dataloader.dataset.strict: 'yes' must be true or false, without quotes",
    ),
    (
        'train_dataloader.dataset',
        {'type': 'PairedImageDataset', 'sources': {'a': {}}, 'weights': False},
        "dataset.weights: false must be a mapping, 'uniform' or null",
    ),
    (
        'train_dataloader.dataset',
        {'type': 'PairedImageDataset', 'sources': {}, 'to_multiple': {'multipel': 16}},
        "to_multiple.multipel: 'multipel' is no known key. Did you mean 'multiple'",
    ),
    ('amp', 'bf61', "amp: 'bf61' is unknown. Did you mean 'bf16'"),
    ('launcher', 'slrum', 'launcher: '),
    ('log_level', 'info', "log_level: 'info' is unknown"),
    ('default_scope', 'mmengine', "default_scope: .*'irbox'|irbox"),
    ('find_unused_parameters', 'yes', 'must be true or false'),
    ('plugins', 'x.py', r"plugins: 'x.py' must be a list, such as \['x.py'\]"),
    ('optim_wrapper.optimizer.lr', 'abc', r"optimizer\.lr: 'abc' is text; a number is needed"),
    ('train_dataloader.sampler', {'type': 'DrawSampler', 'seed': 3}, 'is set by the program'),
    ('train_cfg.runner', 3, 'is set by the program'),
    (
        'train_dataloader.dataset',
        {'type': 'PairedImageDataset', 'sources': {'a': {'degrade': {'type': 'Hase'}}}},
        r"sources\.a\.degrade\.type: No transform is called 'Hase'. Did you mean 'Haze'",
    ),
    (
        'train_dataloader.dataset',
        {'type': 'PairedImageDataset', 'sources': {'a': {'degrade': [{'type': 'MLPExpert'}]}}},
        r"degrade\.0\.type: No transform is called 'MLPExpert'",
    ),
]


@pytest.mark.parametrize(('key', 'value', 'message'), MISTAKES)
def test_mistakes_are_named_with_their_place(content, key, value, message):
    config = Config(dict(content)).to_dict()
    *parents, last = key.split('.')
    owner = config
    for part in parents:
        owner = owner[int(part)] if part.isdigit() else owner.setdefault(part, {})
    owner[int(last) if last.isdigit() else last] = value
    with pytest.raises(ValueError, match=message) as caught:
        check_config(config)
    assert re.match(r'[\w.]+: ', str(caught.value)), 'the message does not begin with a place'


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('_width', '2e-4'),  # a config's own variable
        ('experiment_name', '1e5'),
        ('val_dataloader.mixed.dataset.labels', ['1e5', '2e-4']),  # declared as text
        ('val_dataloader.dark', None),  # a set taken away
        ('model.losses.pixel', None),
        ('model.losses', None),
        ('val_cfg', {}),
        ('default_hooks.timer', None),
        ('custom_hooks', [{'type': 'KillHook', 'iteration': 3, 'priority': 'LOW'}]),
        ('param_scheduler', {'type': 'ExponentialLR', 'gamma': 0.9, 'begin': 3}),
        ('val_evaluator', [{'type': 'RestorationMetric'}]),
        ('val_evaluator', {'metrics': [{'type': 'RestorationMetric'}]}),
        ('val_dataloader', {'dataset': {'type': 'TinyPairs'}}),
        ('optim_wrapper.clip_grad', {'type': 'value', 'clip_value': 0.1}),
        ('optim_wrapper.clip_grad', {}),
        ('optim_wrapper.paramwise_cfg', {'custom_keys': {'prior': {'lr_mult': 0.1}}}),
        ('visualizer', {'vis_backends': [{'type': 'LocalVisBackend'}]}),
        ('model_wrapper_cfg', {'find_unused_parameters': True}),
        ('amp', True),
        ('train_dataloader.collate_fn', {'type': 'default_collate'}),
        ('train_dataloader.prefetch_factor', 4),
        (
            'train_dataloader.dataset',
            {
                'type': 'ConcatDataset',
                'datasets': [
                    {
                        'type': 'PairedImageDataset',
                        'sources': {'a': {'set': 'kodak24', 'degrade': [{'type': 'Haze'}]}},
                    }
                ],
            },
        ),
    ],
)
def test_what_is_right_passes(content, key, value):
    config = Config(dict(content)).to_dict()
    *parents, last = key.split('.')
    owner = config
    for part in parents:
        owner = owner.setdefault(part, {})
    owner[last] = value
    check_config(config)


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('encoder.block.mask_mode', 'bogus', "'bogus' is unknown. Choose 'input' or 'multiply'."),
        ('encoder.block.mask_mode', 'inputs', "'inputs' is unknown. Did you mean 'input'? Choose"),
        ('encoder.block.ratio', [1], '[1] must be a number.'),
        ('encoder.block.ratio', 0, '0 must be a number above 0.'),
        ('decoder.before_upsample.top_k', 1.5, '1.5 must be a whole number.'),
        ('decoder.before_upsample.router.load', 'soft', "'soft' is unknown. Choose 'hard', 'strai"),
        ('depths.0', True, 'true must be a whole number.'),
        ('depths', None, 'null must be a list. Leave it out for the default, (4, 6, 6, 8).'),
    ],
)
def test_a_real_network_is_checked_to_its_last_part(key, value, message):
    with pytest.raises(ValueError) as caught:
        load_config(ROOT / 'configs/m2ir_demo.py', {f'model.network.{key}': value})
    assert str(caught.value).startswith(f'model.network.{key}: {message}')


def test_every_key_of_the_runner_is_known_or_left_out_on_purpose():
    own = {'plugins', 'amp', 'ema', 'compile_blocks', 'find_unused_parameters', 'leaks'}
    own |= {'custom_imports', 'model_wrapper_cfg', 'recompute_blocks', 'strategy', 'strict_data'}
    own |= {'capture_steps'}
    # A run is resumed from the command line; the config is what carries the keys.
    not_in_configs = {'self', 'cfg', 'resume'}
    assert (
        set(inspect.signature(Runner.__init__).parameters) - not_in_configs == set(SECTIONS) - own
    )


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs_pass(path):
    load_config(path)
