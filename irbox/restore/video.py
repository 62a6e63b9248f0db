"""Videos: frames in, frames out, with their times, and the sound as it was."""

from __future__ import annotations

import os
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from irbox.restore.options import Options
from irbox.restore.restoration_model import RestorationModel
from irbox.utils.files import MARK, rename
from irbox.utils.optional import require

EXTENSIONS = ('.mp4', '.mov', '.mkv', '.webm', '.avi', '.m4v')
QUALITY = '16'
"""Constant rate factor of H.264 and VP9: what is lost is not seen."""


def is_video(name: str | Path) -> bool:
    """Tell whether a name is that of a video file."""
    return Path(name).suffix.lower() in EXTENSIONS


def restore_video(
    source: Path, target: Path, model: RestorationModel, options: Options
) -> tuple[int, float]:
    """Restore a video frame by frame, each by itself.

    The sound, the times of the frames, the shape of a pixel, the meaning of the colors and what the
    file says of itself are kept. The picture is encoded anew, as the source was where the package
    has an encoder for it, else as H.264; upright, where the source says how it is to be turned; in
    8 bits a value.

    Args:
        source: A file that FFmpeg's libraries read.
        target: The file that is written, whole or not at all; its name decides the container.
        model: That restores.
        options: How each frame is restored.

    Returns:
        Number of frames, and seconds.

    Raises:
        ImportError: The package PyAV is missing.
        ValueError: The file has no picture, or cannot be read or written.
    """
    av: Any = require('av', package="'irbox[video]'", needed_by='Restoring a video')
    start = time.perf_counter()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f'{target.stem}{MARK}{os.getpid()}{target.suffix}')
    try:
        frames = _restore(av, source, partial, model, options)
        rename(partial, target)
    except av.FFmpegError as error:
        raise ValueError(f'Video {source}: {error}.') from error
    finally:
        partial.unlink(missing_ok=True)
    return frames, time.perf_counter() - start


def _restore(
    av: Any, source: Path, partial: Path, model: RestorationModel, options: Options
) -> int:
    count, first = 0, _first_frame(av, source)
    with av.open(str(source)) as original, av.open(str(partial), 'w') as container:
        picture = original.streams.video[0]
        picture.thread_type = 'AUTO'
        encoder = _add_picture(av, container, picture, first)
        container.metadata.update(original.metadata)
        sounds = {
            sound.index: container.add_stream_from_template(sound)
            for sound in original.streams.audio
        }
        # AVI has no times: its frames come one a tick, whatever order they are stored in.
        counted = original.format.name == 'avi'
        for packet in original.demux(picture, *original.streams.audio):
            if packet.stream.index in sounds:
                if packet.dts is not None:
                    packet.stream = sounds[packet.stream.index]
                    container.mux(packet)
                continue
            for frame in packet.decode():
                answer = model.run(_upright(av, frame), options).image
                restored = _as_frame(av, answer, frame.colorspace, encoder.pix_fmt)
                restored.pts, restored.time_base = frame.pts, frame.time_base
                if counted:
                    restored.pts, restored.time_base = count, 1 / _rate(picture)
                container.mux(encoder.encode(restored))
                count += 1
        container.mux(encoder.encode(None))
    return count


def _first_frame(av: Any, source: Path) -> Any:
    """Only a frame says for certain how large it is and how it is to be turned."""
    with av.open(str(source)) as original:
        frame = next(original.decode(video=0), None) if original.streams.video else None
    if frame is None:
        raise ValueError(f'Video {source} has no picture.')
    return frame


def _add_picture(av: Any, container: Any, picture: Any, first: Any) -> Any:
    """A stream for the restored frames, which says of them what the source says."""
    encoder = container.add_stream(_encoder(av, picture), rate=_rate(picture))
    height, width = _upright(av, first).shape[:2]
    encoder.width, encoder.height = width, height
    # H.264 and H.265 halve the colors of even sides only; VP8 and VP9 of any.
    odd = (width % 2 or height % 2) and encoder.codec_context.name.startswith('libx')
    encoder.pix_fmt = 'yuv444p' if odd else 'yuv420p'
    encoder.options = {'crf': QUALITY}
    own, given = encoder.codec_context, picture.codec_context
    # The encoder's own clock is one tick a frame, which moves frames that come unevenly.
    own.time_base = 1 / _rate(picture) if container.format.name == 'avi' else picture.time_base
    if container.format.name == 'avi':
        own.max_b_frames = 0  # it cannot hold frames in another order than they are shown
    shape = picture.sample_aspect_ratio
    if shape:
        own.sample_aspect_ratio = 1 / shape if first.rotation % 180 else shape
    own.colorspace, own.color_primaries = given.colorspace, given.color_primaries
    own.color_trc = given.color_trc
    own.color_range = min(given.color_range, av.video.reformatter.ColorRange.MPEG)
    return encoder


def _upright(av: Any, frame: Any) -> np.ndarray:
    """(H, W, 3) of uint8, turned as the source says."""
    values = frame.to_ndarray(format='rgb24', interpolation=_exactly(av))
    return np.ascontiguousarray(np.rot90(values, round(frame.rotation / 90)))


def _as_frame(av: Any, values: np.ndarray, colorspace: int, pix_fmt: str) -> Any:
    """A frame whose colors are coded as those of the source are."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(values), format='rgb24')
    return frame.reformat(format=pix_fmt, dst_colorspace=colorspace, interpolation=_exactly(av))


def _exactly(av: Any) -> Any:
    """How to get from YUV to RGB and back; by default every frame would get darker by a level."""
    kind = av.video.reformatter.Interpolation
    return kind.BICUBIC | kind.ACCURATE_RND | kind.FULL_CHR_H_INT


def _rate(picture: Any) -> Fraction:
    return Fraction(picture.average_rate or 25)


def _encoder(av: Any, picture: Any) -> str:
    """The source's codec where it can be written, else H.264."""
    name: str = picture.codec_context.name
    encoders = {'h264': 'libx264', 'hevc': 'libx265', 'vp9': 'libvpx-vp9', 'vp8': 'libvpx'}
    wanted = encoders.get(name, 'libx264')
    return wanted if wanted in av.codecs_available else 'libx264'
