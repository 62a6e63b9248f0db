"""Databases of images as BasicSR's tools write them, and the trees of code that has them."""

import lmdb

from support.data_trees import Tree, of, same

FRAMES = ['GOPR0384_11_00-000001', 'GOPR0385_11_01-003011']


def fill_database(folder, files):
    """Write files as the entries of a database."""
    with (
        lmdb.open(str(folder), map_size=1 << 24) as database,
        database.begin(write=True) as transaction,
    ):
        for file in files:
            transaction.put(file.stem.encode(), file.read_bytes())
    lines = [f'{file.stem}.png (20,30,3) 1\n' for file in files]
    (folder / 'meta_info.txt').write_text(''.join(lines))


def to_database(folder):
    """Put the images of a folder into ``FOLDER.lmdb`` beside it, and give that."""
    database = folder.with_name(f'{folder.name}.lmdb')
    fill_database(database, sorted(folder.iterdir()))
    return database


class TreeOfDatabases(Tree):
    """A tree whose folders named `*.lmdb` are databases."""

    def plant(self, root):
        super().plant(root)
        for folder in root.rglob('*.lmdb'):
            files = sorted(folder.glob('*.png'))
            fill_database(folder, files)
            for file in files:
                file.unlink()
        return self


def databases(name, split, label, folder, degraded, clean):
    """A tree of two databases, of NAFNet."""
    both = [f'P/{folder}/{side}.lmdb' for side in (degraded, clean)]
    pairs = same(label, *both, [f'{frame}.png' for frame in FRAMES])
    about = f'{name}: NAFNet, {split}, databases'
    return TreeOfDatabases(about, of(name, split, root='P'), pairs)


TREES = [
    databases('gopro', 'test', 'blur', 'test', 'input', 'target'),
    databases('gopro', 'train_crops', 'blur', 'train', 'blur_crops', 'sharp_crops'),
    databases('sidd', 'train_crops', 'noise', 'train', 'input_crops', 'gt_crops'),
    databases('sidd', 'val', 'noise', 'val', 'input_crops', 'gt_crops'),
]
