"""Finding a DA-CLIP file: a path, the environment, the weights folder, and the hub when asked."""

from __future__ import annotations

import os
from pathlib import Path

from irbox.utils.optional import require

CHECKPOINT_VARIABLE = 'IRBOX_DACLIP_CKPT'
WEIGHTS_VARIABLE = 'IRBOX_WEIGHTS'
HUB_REPOSITORY = 'weblzw/daclip-uir-ViT-B-32-irsde'
# What the hub repository holds for each architecture, and its size.
PUBLISHED = {
    'ViT-B-32': ('daclip_ViT-B-32.pt', '1.74 GB'),
    'ViT-L-14': ('wild-daclip_ViT-L-14.pt', '5.66 GB'),
}


def find_checkpoint(checkpoint: str | None, arch: str | None, download: bool) -> Path:
    """Find the file to load.

    An explicit ``checkpoint`` is used or missed: a run never takes another file in its place.
    Without one, the file named by the environment variable ``IRBOX_DACLIP_CKPT``, else the
    published name (also converted, ``.safetensors``) in the weights folder, which is ``weights`` or
    what ``IRBOX_WEIGHTS`` says.

    Args:
        checkpoint: A path (relative to the current directory), or ``hf://owner/repository/file``.
        arch: A key of ``PUBLISHED``; None for towers of other sizes, which have no published file.
        download: Fetch from the hub what is not on this machine.

    Raises:
        FileNotFoundError: Nothing is there; the message lists the places tried and says what to do.
    """
    explicit = checkpoint or os.environ.get(CHECKPOINT_VARIABLE)
    if explicit and explicit.startswith('hf://'):
        return _from_hub(explicit, arch, download)
    places = [Path(explicit).expanduser()] if explicit else _usual_places(arch)
    for place in places:
        if place.is_file():
            return place
    if download and not explicit and arch in PUBLISHED:
        return _from_hub(f'hf://{HUB_REPOSITORY}/{PUBLISHED[arch][0]}', arch, download)
    tried = [str(place) for place in places]
    if not explicit:
        tried.insert(0, f'{CHECKPOINT_VARIABLE} (not set)')
    elif not checkpoint:
        tried = [f'{explicit} (from {CHECKPOINT_VARIABLE})']
    raise FileNotFoundError(_not_found(tried, arch))


def _usual_places(arch: str | None) -> list[Path]:
    if arch not in PUBLISHED:
        return []
    folder = Path(os.environ.get(WEIGHTS_VARIABLE) or 'weights').expanduser()
    stems = dict.fromkeys((f'daclip_{arch}', Path(PUBLISHED[arch][0]).stem))
    return [folder / f'{stem}.{suffix}' for stem in stems for suffix in ('safetensors', 'pt')]


def _from_hub(address: str, arch: str | None, download: bool) -> Path:
    parts = address.removeprefix('hf://').split('/')
    if len(parts) < 3 or not all(parts):
        raise ValueError(
            f'DA-CLIP checkpoint {address!r}: a hub address reads hf://owner/repository/file.'
        )
    hub = require('huggingface_hub', needed_by='a DA-CLIP file from the hub')
    try:
        path = hub.hf_hub_download(
            '/'.join(parts[:2]), '/'.join(parts[2:]), local_files_only=not download
        )
    except (OSError, ValueError) as error:
        # The hub's errors are OSErrors or ValueErrors: no connection, no such file, nothing in the
        # local cache.
        hint = (
            f'the download failed: {error}'
            if download
            else 'not in the local hub cache; download: true fetches it'
        )
        raise FileNotFoundError(_not_found([f'{address} ({hint})'], arch)) from error
    return Path(path)


def _not_found(tried: list[str], arch: str | None) -> str:
    name, size = PUBLISHED.get(arch or '', PUBLISHED['ViT-B-32'])
    return (
        f'DA-CLIP weights not found: {"; ".join(tried)}. Download {name} ({size}, MIT) from the '
        f'hub repository {HUB_REPOSITORY}, then set model.network.prior.checkpoint=<file> or '
        f'{CHECKPOINT_VARIABLE}. To run without DA-CLIP set model.network.prior=None or take a '
        'configuration without it; for a smoke test set model.network.prior.allow_random=True.'
    )
