"""Trees of users of other code: PromptIR's, AdaIR's, MoCE-IR's, Restormer's, NAFNet's and others'.

The set's folder, which a user names as `root`, is `P`.
"""

from support.data_trees import Tree, alone, clean, of, same

SCENES = [('0025', '0.8', '0.04'), ('0025', '1', '0.2'), ('3068', '0.95', '0.16')]
FRAMES = ['GOPR0372_07_00_000047', 'GOPR0374_11_00_000048']
KINDS = {'raindrop': 'raindrop', 'rainstreak': 'rain', 'rainstreak_raindrop': 'rain_raindrop'}


def placed(name, split=None, root='P', **more):
    return of(name, split, root=root, **more)


def hazy(folder, target, suffix='jpg', scenes=SCENES):
    """Hazy images of scenes, each scene with one clean image."""
    return [(f'{folder}/{i}_{a}_{b}.jpg', f'{target}/{i}.{suffix}', 'haze') for i, a, b in scenes]


def rain(degraded, target, numbers=('1', '2', '10'), names=('rain-{}', 'norain-{}')):
    one, other = names
    return [
        (f'{degraded}/{one.format(n)}.png', f'{target}/{other.format(n)}.png', 'rain')
        for n in numbers
    ]


X2 = ('norain-{}x2', 'norain-{}')
LONG = ('001', '002', '010')
SIDES = ('input', 'target')


def both(name, short, letter, weight):
    """Trees of the sets that lie like Rain100L."""
    return [
        Tree(f'{name}: train, flat (PReNet)', placed(name, 'train'), rain('P', 'P')),
        Tree(
            f'{name}: train, flat inside (PReNet)',
            placed(name, 'train'),
            rain(f'P/RainTrain{letter}', f'P/RainTrain{letter}'),
        ),
        Tree(
            f'{name}: train, rainy and norain inside',
            placed(name, 'train'),
            rain(f'P/RainTrain{letter}/rainy', f'P/RainTrain{letter}/norain'),
        ),
        Tree(
            f'{name}: train, rain/X2',
            placed(name, 'train'),
            rain('P/train/rain/X2', 'P/train/norain', names=X2),
        ),
        Tree(
            f'{name}: train, the archive with X2',
            placed(name, 'train'),
            rain(
                f'P/rain_data_train_{weight}/rain/X2',
                f'P/rain_data_train_{weight}/norain',
                names=X2,
            ),
        ),
        Tree(
            f'{name}: train, input and target',
            placed(name, 'train'),
            same('rain', 'P/train/input', 'P/train/target', ['1.png', '2.png']),
            ['P/test/input/1.png', 'P/test/target/1.png'],
        ),
        Tree(
            f'{name}: train, a folder for each set (Restormer)',
            placed(name, 'train'),
            same('rain', *(f'P/train/RainTrain{letter}/{side}' for side in SIDES), ['1.png']),
        ),
        Tree(
            f'{name}: test, rainy and gt (MoCE-IR)',
            placed(name, 'test'),
            rain('P/rainy', 'P/gt', LONG),
        ),
        Tree(
            f'{name}: test, clean beside the folder (PReNet)',
            placed(name, 'test'),
            rain('P/rainy', 'P', LONG),
        ),
        Tree(
            f'{name}: test, rainy and norain',
            placed(name, 'test'),
            rain('P/rainy', 'P/norain', LONG),
        ),
        Tree(f'{name}: test, flat', placed(name, 'test'), rain('P', 'P', LONG)),
        Tree(
            f'{name}: test, input and target',
            placed(name, 'test', root=short),
            same('rain', f'{short}/input', f'{short}/target', ['1.png', '2.png']),
        ),
        Tree(
            f'{name}: test, the archive',
            placed(name, 'test'),
            rain(
                f'P/rain_data_test_{weight}/rain/X2', f'P/rain_data_test_{weight}/norain', names=X2
            ),
        ),
    ]


def halves(name, label, *folders):
    """Trees of equal names in two folders of a split: split, degraded, clean."""
    return [
        Tree(
            f'{name}: {degraded} and {target}, {split}',
            placed(name, split),
            same(label, f'P/{degraded}', f'P/{target}', ['1.png', '2.png', '10.png']),
        )
        for split, degraded, target in folders
    ]


LAYOUTS = [
    *(
        Tree(f'reside_ots: {about}', placed('reside_ots'), hazy(f'P/{degraded}', f'P/{target}', s))
        for about, degraded, target, s in (
            ('hazy and gt', 'hazy', 'gt', 'jpg'),
            ('one folder above (FocalNet)', 'train/hazy', 'train/gt', 'png'),
            ('haze/OTS (DiffUIR)', 'haze/OTS', 'clear/clear_images', 'jpg'),
            ('haze/part1 (DiffUIR)', 'haze/part1', 'clear/clear_images', 'jpg'),
            ('hazy and clear (MoCE-IR)', 'hazy', 'clear', 'jpg'),
            ('input and target', 'input', 'target', 'jpg'),
            (
                'the archive in its folder',
                'OTS_ALPHA/haze/OTS',
                'OTS_ALPHA/clear/clear_images',
                'jpg',
            ),
        )
    ),
    Tree(
        'reside_ots: equal names (DehazeFormer)',
        placed('reside_ots'),
        same('haze', 'P/hazy', 'P/GT', [f'{i}_{a}_{b}.png' for i, a, b in SCENES]),
    ),
    *(
        Tree(
            f'sots_outdoor: {degraded} and {target}{who}',
            placed('sots_outdoor'),
            hazy(
                f'P/{degraded}', f'P/{target}', 'png', [('0001', '0.8', '0.2'), ('0002', '1', '1')]
            ),
        )
        for degraded, target, who in (
            ('IN', 'GT', ' (InstructIR)'),
            ('test/hazy', 'test/gt', ''),
            ('outdoor/hazy', 'outdoor/gt', ''),
            ('SOTS/outdoor/hazy', 'SOTS/outdoor/gt', ''),
            ('hazy', 'clear', ''),
        )
    ),
    Tree(
        "bsd400_wed: WED's own folder",
        clean('bsd400_wed', root='P'),
        alone('P/BSD400', ['100007.jpg']) + alone('P/pristine_images', ['00001.bmp', '00002.bmp']),
    ),
    Tree(
        "bsd400_wed: WED's archive",
        clean('bsd400_wed', root='P'),
        alone('P/BSD400', ['100007.jpg'])
        + alone('P/exploration_database_and_code/pristine_images', ['00001.bmp', '00002.bmp']),
        ['P/exploration_database_and_code/support_functions/logo.png'],
    ),
    *(
        Tree(
            f'urban100: the archive of super-resolution, {folder}',
            clean('urban100', root='P'),
            alone(folder, [f'img_{i}_SRF_4_HR.png' for i in ('001', '002', '100')]),
            [f'{folder}/img_{i}_SRF_4_LR.png' for i in ('001', '002', '100')],
        )
        for folder in ('P', 'P/image_SRF_4')
    ),
    *both('rain100l', 'Rain100L', 'L', 'Light'),
    *both('rain100h', 'Rain100H', 'H', 'Heavy'),
    *both('rain200l', 'Rain200L', 'L', 'Light')[5:10],
    *both('rain200h', 'Rain200H', 'H', 'Heavy')[5:10],
    *(
        Tree(
            f'gopro: {about}, train_crops',
            placed('gopro', 'train_crops'),
            same(
                'blur',
                f'P/{folder}/{d}',
                f'P/{folder}/{t}',
                [f'{FRAMES[0]}-{i}.png' for i in (1, 8)],
            ),
            [f'P/train/{d}/GOPR1.png' for d in ('blur', 'sharp') if d not in folder],
        )
        for about, folder, d, t in (
            ('MoCE-IR', 'crop/train', 'input_crops', 'target_crops'),
            ('Restormer', 'train/GoPro', 'input_crops', 'target_crops'),
            ('NAFNet', 'train', 'blur_crops', 'sharp_crops'),
        )
    ),
    Tree(
        'gopro: NAFNet, whole frames',
        placed('gopro', 'train'),
        same('blur', 'P/train/blur', 'P/train/sharp', [f'{frame}.png' for frame in FRAMES]),
        ['P/train/blur_crops/a.png', 'P/train/sharp_crops/a.png'],
    ),
    *halves(
        'gopro',
        'blur',
        ('test', 'test/GoPro/input', 'test/GoPro/target'),
        ('test', 'test/blur', 'test/sharp'),
        ('test', 'gopro/input', 'gopro/target'),
        ('test', 'blur', 'sharp'),
        ('train', 'blur', 'sharp'),
        ('train', 'input', 'target'),
    ),
    *(
        Tree(
            f"allweather: Histoformer's test, {folder}",
            placed('allweather', split),
            same(label, f'P/test/{folder}/input', f'P/test/{folder}/gt', names),
        )
        for split, folder, label, names in (
            ('test_snow', 'Snow100K', 'snow', ['a_1.jpg', 'b_2.jpg']),
            ('test_snow', 'Snow100K-L', 'snow', ['a_1.jpg', 'b_2.jpg']),
            ('test_raindrop', 'RainDrop', 'raindrop', ['0_rain.png', '1_rain.png']),
            ('test_rain_fog', 'Outdoor-Rain', 'rain_fog', ['im_0301_s80_a04.png']),
        )
    ),
    Tree(
        'rainds_real: with the orphan, as distributed',
        placed('rainds_real', 'test'),
        [
            (f'P/test_set/{kind}/{i}.png', f'P/test_set/gt/{i}.png', label)
            for kind, label in KINDS.items()
            for i in (1, 2)
        ],
        ['P/test_set/rainstreak/IMG_7435.png'],
        names=[f'{kind}_{i}' for kind in KINDS for i in (1, 2)],
    ),
    *(
        Tree(
            f'weatherbench: {split}, N.jpg',
            placed('weatherbench', split),
            [
                (f'P/{outer}/{i}.jpg', f'P/{outer.replace("input", "target")}/{i}.jpg', 'rain')
                for i in (1, 2)
            ],
        )
        for split, outer in (
            ('test', 'WEATHER/test/input/rain'),
            ('test', 'WEATHER/test/rain/input'),
            ('train', 'WEATHER/train/rain/input'),
        )
    ),
    *halves(
        'lol_v1',
        'low_light',
        ('train', 'Train/low', 'Train/high'),
        ('test', 'low', 'high'),
        ('test', 'test/low', 'test/high'),
    ),
    *halves(
        'spa', 'rain', ('train', 'train/input', 'train/target'), ('test', 'test/rain', 'test/gt')
    ),
    Tree(
        "spa: the publisher's test",
        placed('spa', 'test'),
        [
            (f'P/real_test_1000/rain/00{i}.png', f'P/real_test_1000/gt/00{i}gt.png', 'rain')
            for i in (0, 1)
        ],
    ),
    Tree(
        'sidd: the archive',
        placed('sidd', 'train'),
        [
            (f'P/Data/{s}/{s}_NOISY_SRGB_010.PNG', f'P/Data/{s}/{s}_GT_SRGB_010.PNG', 'noise')
            for s in ('0001', '0002')
        ],
    ),
    *halves(
        'sidd',
        'noise',
        ('train_crops', 'train/SIDD/input_crops', 'train/SIDD/target_crops'),
        ('train_crops', 'train/input_crops', 'train/gt_crops'),
        ('val', 'val/SIDD/input_crops', 'val/SIDD/target_crops'),
        ('val', 'val/input_crops', 'val/gt_crops'),
    ),
    *halves(
        'dpdd',
        'defocus',
        ('train', 'train/DPDD/inputC', 'train/DPDD/target'),
        ('val', 'val/DPDD/inputC', 'val/DPDD/target'),
        ('test', 'test/DPDD/inputC', 'test/DPDD/target'),
    ),
    *halves(
        'hide',
        'blur',
        ('train', 'train', 'GT'),
        ('test', 'test/HIDE/input', 'test/HIDE/target'),
        ('test', 'input', 'target'),
    ),
    Tree(
        'hide: the archive',
        placed('hide', 'test'),
        same('blur', 'P/test/test-close-ups', 'P/GT', ['1fromGOPR1.png'])
        + same('blur', 'P/test/test-long-shot', 'P/GT', ['2fromGOPR1.png']),
    ),
    *halves(
        'realblur',
        'blur',
        ('test_j', 'test/RealBlur_J/input', 'test/RealBlur_J/target'),
        ('test_r', 'test/RealBlur_R/input', 'test/RealBlur_R/target'),
        ('train_j', 'RealBlur-J/train/blur', 'RealBlur-J/train/gt'),
        ('train_r', 'train/input', 'train/target'),
    ),
    Tree(
        "realblur: the publisher's scenes",
        placed('realblur', 'train_j', root='RealBlur_J'),
        [
            (f'RealBlur_J/scene00{s}/blur/blur_1.png', f'RealBlur_J/scene00{s}/gt/gt_1.png', 'blur')
            for s in (1, 2)
        ],
        names=['scene001_blur_1', 'scene002_blur_1'],
    ),
    *(
        Tree(
            f'lol_v2: {split}',
            placed('lol_v2', split),
            [
                (f'P/{folder}/Low/{a}.png', f'P/{folder}/Normal/{b}.png', 'low_light')
                for a, b in names
            ],
        )
        for split, folder, names in (
            ('train_real', 'Real_captured/Train', [('low00001', 'normal00001')]),
            ('test_real', 'Real_captured/Test', [('low00690', 'normal00690')]),
            ('train_synthetic', 'Synthetic/Train', [('r000da54ft', 'r000da54ft')]),
            ('test_synthetic', 'Synthetic/Test', [('r00816405t', 'r00816405t')]),
        )
    ),
    *(
        Tree(
            f'msrs: {split}, visible light',
            clean('msrs', split=split, root='P'),
            alone(f'P/{split}/vi', ['00001D.png', '00002N.png']),
            [f'P/{split}/ir/00001D.png'],
        )
        for split in ('train', 'test')
    ),
    *halves('lhp', 'rain', ('train', 'train/input', 'train/gt'), ('test', 'test/input', 'test/gt')),
]
