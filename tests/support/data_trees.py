"""Miniature trees of every layout in which the published sets come, and what shall be found."""

from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

CDD11 = 'low haze rain snow low_haze low_rain low_snow haze_rain haze_snow'.split()  # noqa: SIM905
CDD11 += ['low_haze_rain', 'low_haze_snow']
STREAKS = [f's{s}_a{a}' for s in (80, 85, 90, 95, 100) for a in ('04', '05', '06')]
NESTED = 'media/jdway/GameSSD/overlapping'
NOISE = {'type': 'GaussianNoise', 'sigma': 25}


def picture(seed=0, width=30, height=20):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@cache
def content(suffix):
    """The same picture for all files of a type, made once: trees are about names."""
    file = BytesIO()
    picture().save(file, Image.registered_extensions()[suffix])
    return file.getvalue()


def save(path, image=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    if image is None:
        path.write_bytes(content(path.suffix.lower()))
    else:
        image.save(path)


@dataclass
class Tree:
    """A layout: its files, and the pairs (degraded, clean, label) that belong together in it."""

    about: str
    source: dict
    pairs: list
    others: list = field(default_factory=list)
    """Files that shall not be found."""
    names: list | None = None
    """Of the samples, where they are more than the stem."""

    def plant(self, root):
        for degraded, clean, _ in self.pairs:
            save(root / degraded)
            save(root / clean)
        for name in self.others:
            if Path(name).suffix.lower() in ('.png', '.jpg', '.tif', '.bmp'):
                save(root / name)
            else:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text('input/im_0001_s80_a04.png\n')
        return self

    @property
    def labels(self):
        return {label for *_, label in self.pairs}


def same(label, degraded, clean, names):
    return [(f'{degraded}/{name}', f'{clean}/{name}', label) for name in names]


def alone(folder, names):
    return [(f'{folder}/{name}', f'{folder}/{name}', 'x') for name in names]


def of(name, split=None, **more):
    return {'set': name, **({'split': split} if split else {}), **more}


def clean(name, **more):
    return of(name, degrade=NOISE, **more)


TREES = [
    Tree(
        'allweather: the archive',
        of('allweather', 'train'),
        [
            *same('raindrop', 'train/input', 'train/gt', ['0_rain.png']),
            ('train/input/1_rain.png', 'train/gt/1_clean.png', 'raindrop'),
            *same('snow', 'train/input', 'train/gt', ['beautiful_smile_00001.jpg']),
            *same('rain_fog', 'train/input', 'train/gt', ['im_0001_s80_a04.png']),
        ],
        # Clean images of Test1, of which other copies still hold the degraded ones.
        [
            *(f'train/{d}/im_{i}_s95_a06.png' for d in ('input', 'gt') for i in ('0301', '0350')),
            'train/allweather.txt',
        ],
    ),
    Tree(
        'allweather: with its list',
        of('allweather', 'train', allow_list='train/allweather.txt'),
        same('rain_fog', 'train/input', 'train/gt', ['im_0001_s80_a04.png']),
        ['train/allweather.txt', 'train/input/0_rain.png', 'train/gt/0_rain.png'],
    ),
    Tree(
        'allweather: rain test as M2Restore wants it',
        of('allweather', 'test_rain_fog'),
        [
            ('test_rain/input/im_0301_s80_a04.png', 'test_rain/gt/im_0301.png', 'rain_fog'),
            ('test_rain/input/im_0301_s80_a05.png', 'test_rain/gt/im_0301.png', 'rain_fog'),
        ],
    ),
    Tree(
        'allweather: raindrop test',
        of('allweather', 'test_raindrop'),
        [
            (f'test_raindrop/input/{i}_rain.png', f'test_raindrop/gt/{i}_clean.png', 'raindrop')
            for i in (2, 10)
        ],
    ),
    Tree(
        'allweather: snow test',
        of('allweather', 'test_snow'),
        same('snow', 'test_snow/input', 'test_snow/gt', ['city_read_1.jpg', 'winter_2.jpg']),
    ),
    Tree(
        'allweather: real photographs',
        of('allweather', 'real'),
        [
            ('real/raindrop/a_rain.png', 'real/gt/a_clean.png', 'raindrop'),
            ('real/snow/b.jpg', 'real/gt/b.jpg', 'snow'),
        ],
    ),
    *(
        Tree(
            f'cdd11: {split} in {folder}',
            of('cdd11', split),
            [
                (f'{folder}/{kind}/{name}', f'{folder}/clear/{name}', kind)
                for kind in sorted(CDD11)
                for name in ('00001.png', '00002.png')
            ],
            names=[f'{kind}_{n}' for kind in sorted(CDD11) for n in ('00001', '00002')],
        )
        for split in ('train', 'test')
        for folder in (f'CDD-11_{split}', split)
    ),
    *(
        Tree(
            f'reside_ots: clean in {folder} as {suffix}',
            of('reside_ots'),
            [
                (f'synthetic/part1/0025_{a}_{b}.jpg', f'{folder}/0025.{suffix}', 'haze')
                for a, b in (('0.8', '0.04'), ('1', '0.2'))
            ]
            + [('synthetic/part2/3068_0.95_0.16.jpg', f'{folder}/3068.{suffix}', 'haze')],
        )
        for folder, suffix in (('original', 'jpg'), ('original', 'png'), ('clear', 'jpg'))
    ),
    Tree(
        'sots_outdoor: the archive',
        of('sots_outdoor'),
        [(f'hazy/000{i}_0.8_0.2.jpg', f'gt/000{i}.png', 'haze') for i in (1, 2)],
    ),
    Tree(
        'sots_outdoor: renamed by PromptIR',
        of('sots_outdoor'),
        [(f'input/000{i}_0.8_0.2.jpg', f'target/000{i}.png', 'haze') for i in (1, 2)],
    ),
    Tree(
        "rain100l: authors' training archive",
        of('rain100l', 'train'),
        [
            (
                f'rain_data_train_Light/rain/norain-{i}x2.png',
                f'rain_data_train_Light/norain/norain-{i}.png',
                'rain',
            )
            for i in (1, 2, 10)
        ],
    ),
    Tree(
        "rain100l: authors' test archive",
        of('rain100l', 'test'),
        [
            (
                f'rain_data_test_Light/rain/X2/norain-{i}x2.png',
                f'rain_data_test_Light/norain/norain-{i}.png',
                'rain',
            )
            for i in (1, 2, 10)
        ],
    ),
    Tree(
        "rain100l: PromptIR's training",
        of('rain100l', 'train'),
        [(f'rainy/rain-{i}.png', f'gt/norain-{i}.png', 'rain') for i in (1, 2, 10)],
    ),
    Tree(
        "rain100l: PromptIR's and AdaIR's test",
        of('rain100l', 'test'),
        same('rain', 'input', 'target', ['1.png', '2.png', '10.png']),
    ),
    Tree(
        "rain100l: MIRAGE's test",
        of('rain100l', 'test'),
        [(f'input/rain-00{i}.png', f'target/norain-00{i}.png', 'rain') for i in (1, 2)],
    ),
    Tree(
        'bsd400_wed: in one folder',
        clean('bsd400_wed'),
        alone('.', ['00001.bmp', '04744.bmp', 'a100007.jpg']),
    ),
    Tree(
        'bsd400_wed: a copy without the leading a',
        clean('bsd400_wed'),
        alone('.', ['00001.bmp', '04744.bmp', '100007.jpg']),
    ),
    Tree(
        "bsd400_wed: MoCE-IR's two folders",
        clean('bsd400_wed'),
        alone('BSD400', ['100007.jpg']) + alone('WaterlooED', ['00001.bmp', '00002.bmp']),
    ),
    Tree('cbsd68: bsd68', clean('cbsd68', root='bsd68'), alone('bsd68', ['3096.jpg', '12084.jpg'])),
    Tree('cbsd68: inside', clean('cbsd68'), alone('cBSD68/original_png', ['0000.png', '0001.png'])),
    Tree('urban100', clean('urban100'), alone('.', ['img_001.png', 'img_002.png'])),
    Tree('kodak24', clean('kodak24'), alone('.', ['kodim01.png', 'kodim24.png'])),
    *(
        Tree(
            f"gopro: the publisher's sequences, {split}",
            of('gopro', split),
            [
                (f'{split}/{seq}/blur/{i}.png', f'{split}/{seq}/sharp/{i}.png', 'blur')
                for seq in ('GOPR0372_07_00', 'GOPR0374_11_00')
                for i in ('000047', '000048')
            ],
            # Of the other split, and of the other kind of blur.
            [f'{other}/GOPR0384_11_00/{kind}/000001.png' for kind in ('blur', 'sharp')]
            + [f'{split}/GOPR0372_07_00/blur_gamma/000047.png'],
            names=[
                f'{seq}_{i}'
                for seq in ('GOPR0372_07_00', 'GOPR0374_11_00')
                for i in ('000047', '000048')
            ],
        )
        for split, other in (('train', 'test'), ('test', 'train'))
    ),
    Tree(
        'gopro: flattened',
        of('gopro', 'train'),
        same('blur', 'train/blur', 'train/sharp', ['GOPR0372_07_00_000047.png']),
        ['test/blur/GOPR0384_11_00_000001.png', 'test/sharp/GOPR0384_11_00_000001.png'],
    ),
    Tree(
        'gopro: flattened test',
        of('gopro', 'test'),
        same('blur', 'test/input', 'test/target', ['GOPR0384_11_00_000001.png']),
    ),
    Tree(
        "gopro: Restormer's names",
        of('gopro', 'test'),
        same('blur', 'test/input', 'test/target', ['GOPR0384_11_00-000001.png']),
    ),
    Tree(
        'gopro: names of two kinds',
        of('gopro', 'test'),
        [
            (f'test/input/{seq}{a}000047.png', f'test/target/{seq}{b}000047.png', 'blur')
            for seq, a, b in (('GOPR0384_11_00', '-', '_'), ('GOPR0396_11_00', '_', '-'))
        ],
    ),
    Tree(
        "gopro: MoCE-IR's crops",
        of('gopro', 'train_crops'),
        same('blur', 'blur', 'sharp', [f'GOPR0372_07_00_000047-{i}.png' for i in range(1, 9)]),
    ),
    *(
        Tree(
            f'lol_v1: {degraded} and {target}',
            of('lol_v1', split, **root),
            same('low_light', degraded, target, ['2.png', '10.png', '111.png']),
        )
        for split, degraded, target, root in (
            ('train', 'our485/low', 'our485/high', {}),
            ('test', 'eval15/low', 'eval15/high', {}),
            ('train', 'low', 'gt', {}),
            ('test', 'input', 'target', {}),
            ('train', 'Train/input', 'Train/target', {}),
            ('test', 'Test/input', 'Test/target', {}),
        )
    ),
    *(
        Tree(
            f'weatherbench: {degraded}',
            of('weatherbench', split),
            [
                (degraded.format(w) + '/1.png', target.format(w) + '/1.jpg', label)
                for w, label in sorted(weathers.items())
            ],
            others,
            names=[f'{w}_1' for w in sorted(weathers)],
        )
        for split, degraded, target, weathers, others in (
            (
                'train',
                'train/{}/input',
                'train/{}/target',
                {'haze': 'haze', 'rain': 'rain', 'snow': 'snow'},
                ['test/haze/input/7.png', 'test/haze/target/7.png'],
            ),
            (
                'test',
                'WeatherBench/Snow_and_more/{}/test/lq',
                'WeatherBench/Snow_and_more/{}/test/gt',
                {'Fog': 'haze', 'Rain': 'rain'},
                ['WeatherBench/Snow_and_more/Fog/train/lq/7.png'],
            ),
            (
                'train',
                'train/degraded/{}',
                'train/clean/{}',
                {'rainy': 'rain', 'snowy': 'snow'},
                [],
            ),
            ('train', '{}/night/input', '{}/night/gt', {'rain': 'rain', 'snow': 'snow'}, []),
        )
    ),
    *(
        Tree(
            f'csd: {folder}, {suffix}',
            of('csd', split),
            [
                (f'{folder}/Snow/{i}.{suffix}', f'{folder}/Gt/{i}.{suffix}', 'snow')
                for i in (1, 2, 10)
            ],
            [f'{folder}/Mask/1.{suffix}'],
        )
        for split, folder, suffix in (
            ('train', 'Train', 'tif'),
            ('test', 'Test', 'bmp'),
            ('train', 'train2500', 'png'),
            ('test', 'test2000', 'tif'),
        )
    ),
    *(
        Tree(
            f'rainds_real: {folder}',
            of('rainds_real', split),
            [
                (f'{folder}/{kind}/{i}.png', f'{folder}/gt/{i}.png', label)
                for kind, label in (
                    ('raindrop', 'raindrop'),
                    ('rainstreak', 'rain'),
                    ('rainstreak_raindrop', 'rain_raindrop'),
                )
                for i in (1, 2)
            ],
            names=[
                f'{kind}_{i}'
                for kind in ('raindrop', 'rainstreak', 'rainstreak_raindrop')
                for i in (1, 2)
            ],
        )
        for split, folder in (
            ('train', 'RainDS_real/train_set'),
            ('test', 'RainDS_real/test_set'),
            ('train', 'train'),
            ('test', 'test'),
        )
    ),
    Tree(
        'rainds_real: names of the synthetic half',
        of('rainds_real', 'train'),
        [
            ('train/raindrop/pie-rd-8.png', 'train/gt/pie-norain-8.png', 'raindrop'),
            ('train/raindrop/rd-7.png', 'train/gt/norain-7.png', 'raindrop'),
            ('train/rainstreak/rain-7.png', 'train/gt/norain-7.png', 'rain'),
            (
                'train/rainstreak_raindrop/pie-rd-rain-9.png',
                'train/gt/norain-9.png',
                'rain_raindrop',
            ),
            ('train/rainstreak_raindrop/rd-rain-7.png', 'train/gt/norain-7.png', 'rain_raindrop'),
        ],
    ),
    *(
        Tree(
            f'snow100k: {folder}/{degraded}',
            of('snow100k', split),
            same('snow', f'{folder}/{degraded}', f'{folder}/gt', ['a_00001.jpg', 'a_00002.jpg']),
            [f'{folder}/mask/a_00001.jpg'],
        )
        for split, folder, degraded in (
            ('test_l', f'{NESTED}/test/Snow100K-L', 'synthetic'),
            ('test_m', f'{NESTED}/test/Snow100K-M', 'synthetic'),
            ('test_s', f'{NESTED}/test/Snow100K-S', 'synthetic'),
            ('test_l', 'test/Snow100K-L', 'synthetic'),
            ('test_l', '.', 'input'),
            ('train', 'train', 'synthetic'),
            ('train', 'train', 'input'),
            ('train', '.', 'input'),
        )
    ),
    *(
        Tree(
            f'raindrop: {split}/{degraded}, {suffix}',
            of('raindrop', split),
            [
                (
                    f'{split}/{degraded}/{i}_rain.{suffix}',
                    f'{split}/gt/{i}_clean.{suffix}',
                    'raindrop',
                )
                for i in (0, 1, 10)
            ],
        )
        for split, degraded, suffix in (
            ('train', 'data', 'png'),
            ('train', 'data', 'jpg'),
            ('test_a', 'data', 'png'),
            ('test_b', 'data', 'jpg'),
            ('test_a', 'input', 'png'),
        )
    ),
    Tree(
        'raindrop: one name for both',
        of('raindrop', 'test_a', root='raindrop_test_a'),
        same('raindrop', 'raindrop_test_a/input', 'raindrop_test_a/gt', ['0_rain.png']),
    ),
    *(
        Tree(
            f'outdoor_rain: {degraded}, fifteen share a clean image',
            of('outdoor_rain', 'train'),
            [
                (f'train/{degraded}/im_0001_{s}.png', 'train/gt/im_0001.png', 'rain_fog')
                for s in STREAKS
            ],
            # A scene of Test1.
            [f'train/{degraded}/im_0301_s80_a04.png', 'train/gt/im_0301.png'],
        )
        for degraded in ('in', 'input')
    ),
    Tree(
        'outdoor_rain: a clean image for each',
        of('outdoor_rain', 'train'),
        same('rain_fog', 'in', 'gt', [f'im_0001_{s}.png' for s in STREAKS[:3]]),
        ['gt/im_0001.png'],
    ),
    Tree(
        'outdoor_rain: Test1',
        of('outdoor_rain', 'test1'),
        [
            (f'test1/input/im_{i}_{s}.png', f'test1/gt/im_{i}.png', 'rain_fog')
            for i in ('0301', '0350')
            for s in STREAKS[:2]
        ],
    ),
    *(
        Tree(
            f'paired: {degraded} and {target}',
            of('paired'),
            [(f'{degraded}/{i}.jpg', f'{target}/{i}.png', 'x') for i in (1, 2, 10)],
        )
        for degraded, target in (('input', 'target'), ('lq', 'gt'), ('degraded', 'clean'))
    ),
]
