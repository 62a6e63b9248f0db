"""How often looks are wrong: the table in ``docs/datasets.md``.

``irbox make-scenes SCENES --num 250`` and ``PYTHONPATH=tests python -m support.looks_of_copies
SCENES`` print it. Every image is written to a file and read as a training reads it.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from irbox.datasets.fingerprints import fingerprint
from irbox.datasets.photographs import RESERVED, TRAINING, photograph
from irbox.datasets.scenes.scene_bank import SceneBank
from irbox.engine.check_leaks import ALIKE


def scaled(image, factor, across=1.0):
    size = (round(factor * across * image.width), round(factor * image.height))
    return image.resize(size, Image.Resampling.BICUBIC)


def brighter(image):
    return image.point([round(255 * (value / 255) ** 0.8) for value in range(256)] * 3)


def noisy(image):
    noise = np.random.default_rng(image.width * image.height).normal(0, 25, (*image.size[::-1], 3))
    return Image.fromarray((np.asarray(image) + noise).round().clip(0, 255).astype(np.uint8))


def square(image):
    side = max(image.size)
    return image.resize((side, side), Image.Resampling.BICUBIC)


def cut(image):
    return image.crop((image.width // 50, image.height // 50, *image.size))


def same(image):
    return image


# Of each copy: what is done to the image, and how it is written.
COPIES = {
    f'JPEG of quality {quality}': (same, '.jpg', {'quality': quality})
    for quality in (95, 75, 50, 20)
}
COPIES |= {
    'WebP of quality 80': (same, '.webp', {'quality': 80}),
    'WebP without loss': (same, '.webp', {'lossless': True, 'method': 0}),
    'half the size': (lambda image: scaled(image, 1 / 2), '.bmp', {}),
    'half and JPEG 75': (lambda image: scaled(image, 1 / 2), '.jpg', {'quality': 75}),
    'a third': (lambda image: scaled(image, 1 / 3), '.bmp', {}),
    '0.7 of the size and JPEG 50': (lambda image: scaled(image, 0.7), '.jpg', {'quality': 50}),
    '1.4 of the size and JPEG 75': (lambda image: scaled(image, 1.4), '.jpg', {'quality': 75}),
    'twice the size': (lambda image: scaled(image, 2), '.bmp', {}),
    'twice and JPEG 75': (lambda image: scaled(image, 2), '.jpg', {'quality': 75}),
    'stretched to a square': (square, '.bmp', {}),
    'brightness to the power of 0.8': (brighter, '.bmp', {}),
    'noise of deviation 25': (noisy, '.bmp', {}),
    '2 % cut off at the left and the top': (cut, '.bmp', {}),
}
JPEGS = {
    f'JPEG {quality}{name}': {'quality': quality, 'subsampling': subsampling}
    for quality in (95, 75, 50, 20)
    for name, subsampling in ((', colors at half the size', 2), (', all colors', 0))
}


def look(image, suffix, folder, **options):
    """Give the look of an image as a file of a kind."""
    path = Path(folder, 'image' + suffix)
    image.save(path, **options)
    return fingerprint(path).look


def bits(one, other):
    """Count the bits that differ, in the obvious way."""
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def line(name, found):
    middle, most_of, most = np.percentile(found, [50, 99, 100]).round().astype(int)
    missed = np.mean(np.asarray(found) > ALIKE)
    return f'| {name} | {middle}, {most_of}, {most} | {100 * missed:.1f} % |'


def images_of(folder):
    for number in range(len(bank := SceneBank(folder))):
        yield bank.read(number)[0].image
    for name in (*TRAINING, *RESERVED):
        yield photograph(name).image.convert('RGB')


def table(images, folder):
    """Print a line on each kind of copy, and on images that are none."""
    found = {name: [] for name in COPIES}
    equal = {name: [] for name in JPEGS}
    looks = {'.bmp': [], '.jpg': []}
    for image in images:
        own = look(image, '.bmp', folder)
        if not own:
            print(f'An image of {image.size} shows too little.')
            continue
        looks['.bmp'].append(own)
        looks['.jpg'].append(look(image, '.jpg', folder, quality=90))
        for name, (change, suffix, options) in COPIES.items():
            found[name].append(bits(own, look(change(image), suffix, folder, **options)))
        for name, options in JPEGS.items():
            jpeg = look(image, '.jpg', folder, **options)
            with Image.open(Path(folder, 'image.jpg')) as decoded:
                equal[name].append(bits(jpeg, look(decoded.convert('RGB'), '.bmp', folder)))
    for suffix, others in looks.items():
        apart = [bits(one, other) for i, one in enumerate(others) for other in others[:i]]
        wrong = sum(number <= ALIKE for number in apart)
        print(
            f'| {len(apart):,} pairs of different images, {suffix} | {np.median(apart):.0f}; the '
            f'least is {min(apart)} | {wrong} taken for a copy |'
        )
    for name, counts in found.items():
        print(line(name, counts))
    for name, counts in equal.items():
        print(line(f'the same pixels: {name}, and BMP', counts))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('scenes', help='folder that irbox make-scenes wrote')
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table(images_of(arguments.scenes), folder)


if __name__ == '__main__':
    main()
