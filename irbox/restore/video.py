"""Videos: frames in, frames out, with their times, and the sound as it was."""

from __future__ import annotations

import os
import time
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

    The sound and the times of the frames are kept as they are; the picture is encoded anew, as the
    source was where the package has an encoder for it, else as H.264.

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
    count = 0
    with av.open(str(source)) as original, av.open(str(partial), 'w') as container:
        if not original.streams.video:
            raise ValueError(f'Video {source} has no picture.')
        picture = original.streams.video[0]
        picture.thread_type = 'AUTO'
        encoder = container.add_stream(_encoder(av, picture), rate=picture.average_rate or 25)
        encoder.width, encoder.height = picture.codec_context.width, picture.codec_context.height
        encoder.pix_fmt = 'yuv420p'
        # The encoder's own clock is one tick a frame, which moves frames that come unevenly.
        encoder.codec_context.time_base = picture.time_base
        encoder.options = {'crf': QUALITY}
        sounds = {
            sound.index: container.add_stream_from_template(sound)
            for sound in original.streams.audio
        }
        for packet in original.demux(picture, *original.streams.audio):
            if packet.stream.index in sounds:
                if packet.dts is not None:
                    packet.stream = sounds[packet.stream.index]
                    container.mux(packet)
                continue
            for frame in packet.decode():
                restored = model.run(frame.to_ndarray(format='rgb24'), options).image
                restored_frame = av.VideoFrame.from_ndarray(
                    np.ascontiguousarray(restored), format='rgb24'
                )
                restored_frame.pts, restored_frame.time_base = frame.pts, frame.time_base
                container.mux(encoder.encode(restored_frame))
                count += 1
        container.mux(encoder.encode(None))
    return count


def _encoder(av: Any, picture: Any) -> str:
    """The source's codec where it can be written, else H.264."""
    name: str = picture.codec_context.name
    encoders = {'h264': 'libx264', 'hevc': 'libx265', 'vp9': 'libvpx-vp9', 'vp8': 'libvpx'}
    wanted = encoders.get(name, 'libx264')
    return wanted if wanted in av.codecs_available else 'libx264'
