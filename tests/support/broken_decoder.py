"""A decoder that ends the process, as a fault in one written in C does."""

from PIL import Image

ABORTS = (13, 7)
"""Size of a picture whose decoder ends the process."""
BREAK_DECODER = f"""
import os
from PIL import ImageFile
load = ImageFile.ImageFile.load
def loads(image):
    if image.size == {ABORTS}:
        os.abort()
    return load(image)
ImageFile.ImageFile.load = loads
"""


def break_decoder(folder, monkeypatch):
    """Let every Python that is started from now on have it."""
    folder.mkdir()
    (folder / 'sitecustomize.py').write_text(BREAK_DECODER)
    monkeypatch.setenv('PYTHONPATH', str(folder))


def save_what_aborts(path):
    """Write a picture that it cannot take."""
    Image.new('RGB', ABORTS).save(path)
