"""``irbox restore`` on a folder of every bad file there is, beside good ones."""

import json
import os
from pathlib import Path

import numpy as np
from PIL import EpsImagePlugin, Image

from irbox.commands.main import main
from support.bad_images import REFUSED, TAKEN, specials
from support.tiny_model import tiny_model

# What data sets refuse and restoring keeps: all bits, and the first of several frames.
KEPT = {name for name in REFUSED if name.startswith(('16-bit', 'float', 'animated', 'TIFF of'))}


def test_every_bad_file_is_named_and_the_others_are_restored(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny_model(0, 'tiny').save(tmp_path / 'tiny')
    Path('in').mkdir()
    expected = {}
    for name, (make, suffix, _) in REFUSED.items():
        path = Path('in', f'{name}{suffix}')
        path.write_bytes(make())
        expected[str(path)] = 'restored' if name in KEPT else 'failed'
    for name, make in TAKEN.items():
        path = Path('in', f'{name}.png')
        path.write_bytes(make())
        expected[str(path)] = 'restored'
    for name in specials(Path('in')):
        expected[f'in/{name}'] = 'failed'
    del expected['in/folder.png']  # which is one to enter
    mark = tmp_path / 'mark'
    Path('bin').mkdir()
    Path('bin/gs').write_text(f'#!/bin/sh\necho run >> {mark}\n')
    Path('bin/gs').chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path / "bin"}:{os.environ["PATH"]}')
    monkeypatch.setattr(EpsImagePlugin, 'gs_binary', None)

    code = main(['restore', 'in', '--out', 'out', '--model', 'tiny', '--report', 'r.json'])
    assert code == 1 and not mark.exists()
    pictures = json.loads(Path('r.json').read_text())['pictures']
    assert {one['source']: one['status'] for one in pictures} == expected
    reasons = {one['source']: one['reason'] for one in pictures if one['status'] == 'failed'}
    assert all(source in reason and '\n' not in reason for source, reason in reasons.items())
    assert 'Traceback' not in capsys.readouterr().err
    written = Path('out/16-bit RGB TIFF.tif').read_bytes()
    assert Image.open('out/EXIF-rotated.jpg').size == (48, 64)
    assert np.frombuffer(written[:2], np.uint8).tolist() == [73, 73]
