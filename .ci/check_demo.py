"""Check what a short demo left behind: the loss fell, and every file is there and makes sense."""

import json
import math
import sys
from pathlib import Path
from statistics import fmean

from PIL import Image

KEYS = {'task', 'protocol', 'input_psnr', 'input_ssim', 'psnr', 'ssim'}


def main(work_dir: Path) -> None:
    """Raise AssertionError where something is wrong."""
    lines = [
        json.loads(line)
        for file in sorted(work_dir.glob('*/vis_data/scalars.json'))
        for line in file.read_text().splitlines()
    ]
    losses = [line['loss_pixel'] for line in lines if 'loss_pixel' in line]
    assert len(losses) >= 4, f'only {len(losses)} losses were logged'
    first, last = fmean(losses[:2]), fmean(losses[-2:])
    assert last < first, f'the loss did not fall: {first:.4f} -> {last:.4f}'

    rows = json.loads((work_dir / 'results.json').read_text())
    tasks = [row['task'] for row in rows]
    for task in ('haze', 'rain', 'snow', 'noise', 'low_light', 'mean'):
        assert task in tasks, f'results.json has no row {task!r}, but {tasks}'
    for row in rows:
        assert set(row) == KEYS, f'keys of a row: {sorted(row)}'
        assert all(math.isfinite(row[key]) for key in KEYS - {'task', 'protocol'}), row

    images = sorted((work_dir / 'restored').glob('*.png'))
    assert len(images) >= len(tasks) - 1, f'only {len(images)} restored images'
    sizes = {Image.open(image).size for image in images}
    assert sizes == {(256, 256)}, f'sizes of restored images: {sizes}'
    sheet = Image.open(work_dir / 'contact_sheet.png')
    assert min(sheet.size) > 256, f'contact sheet of {sheet.size}'
    assert (work_dir / 'final.pth').stat().st_size > 1_000_000
    print(f'The short demo is right: loss_pixel {first:.4f} -> {last:.4f}, {len(images)} images.')


if __name__ == '__main__':
    main(Path(sys.argv[1]))
