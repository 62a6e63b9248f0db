"""What a zip archive of tensors must be, before anybody believes what is in it."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path

ENCRYPTED = 0x1 | 0x40
CHUNK = 1 << 20


def check_archive(path: str | Path, whole: bool) -> None:
    """Refuse an archive that two readers could read in two ways, that grows, or that is damaged.

    ``torch.save`` writes a sum (CRC-32) of each tensor and of the description of all; torch's own
    reader does not look at them. Each entry stands there as it is, once: packed or doubled ones
    come from somebody else.

    Args:
        path: What ``zipfile.is_zipfile`` accepts.
        whole: Read all of it and compare the sums; else only what tells of the entries.

    Raises:
        ValueError, zipfile.BadZipFile: It is no such archive; says why.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        twice = [name for name, count in Counter(archive.namelist()).items() if count > 1]
        if twice:
            raise ValueError(f'the entry {twice[0]} is in it twice')
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & ENCRYPTED:
                raise ValueError(f'the entry {entry.filename} is packed or encrypted')
            if entry.file_size != entry.compress_size:
                raise ValueError(f'the entry {entry.filename} tells two sizes')
            # Opening it compares the name here with the one in the directory.
            with archive.open(entry) as member:
                while whole and member.read(CHUNK):
                    pass
        if sum(entry.file_size for entry in entries) > Path(path).stat().st_size:
            raise ValueError('its entries overlap')
