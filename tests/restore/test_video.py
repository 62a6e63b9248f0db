"""Videos restored frame by frame: the picture anew, times and sound as they were."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import skimage.data

from irbox.commands.main import main
from irbox.restore.options import Options
from irbox.restore.video import is_video, restore_video
from support.tiny_model import tiny_model

av = pytest.importorskip('av', reason='PyAV, of the extra irbox[video], is not installed')

SIZE = 64, 48
STEADY = tuple(range(8))
UNEVEN = (0, 1, 2, 4, 5, 9, 10, 12)
"""Times in twentieths of a second, as a telephone that drops frames writes them."""
RATE = 8000


def scene(number):
    """Give a frame: a photograph that moves by four pixels a frame."""
    left = 100 + 4 * number
    return np.ascontiguousarray(skimage.data.chelsea()[80:128, left : left + 64])


def write_video(path, times=STEADY, codec='libx264', sound='aac', picture=True):
    """Write a video of a moving photograph, times in twentieths of a second, and of a tone."""
    with av.open(str(path), 'w') as container:
        if picture:
            video = container.add_stream(codec, rate=20)
            video.width, video.height, video.pix_fmt = *SIZE, 'yuv420p'
            video.codec_context.time_base = Fraction(1, 1000)
        if sound:
            audio = container.add_stream(sound, rate=RATE, layout='mono')
        for number, time in enumerate(times if picture else ()):
            frame = av.VideoFrame.from_ndarray(scene(number), format='rgb24')
            frame.pts, frame.time_base = 50 * time, Fraction(1, 1000)
            container.mux(video.encode(frame))
        if picture:
            container.mux(video.encode(None))
        if sound:
            tone = np.sin(np.arange(RATE // 2) / 9).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(tone, format='fltp', layout='mono')
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def read_frames(path):
    """Give the frames of a video as arrays, and their times in seconds."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [frame.to_ndarray(format='rgb24') for frame in frames], [frame.time for frame in frames]


def read_sound(path):
    """Give the encoded sound of a video, its codec and its duration in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        packets = [bytes(packet) for packet in container.demux(stream) if packet.size]
        return packets, stream.codec_context.name, float(stream.duration * stream.time_base)


@pytest.fixture(scope='module')
def model():
    return tiny_model()


@pytest.mark.parametrize('name', ['a.mp4', 'a.MOV', Path('b/a.mkv'), 'a.webm'])
def test_a_video_is_known_by_its_name(name):
    assert is_video(name)
    assert not is_video('a.png')


class Darkening:
    """Restores, and halves every value: more than a codec changes."""

    def __init__(self, model):
        self.model = model

    def run(self, image, options):
        return SimpleNamespace(image=self.model.run(image, options).image // 2)


@pytest.mark.parametrize('times', [STEADY, UNEVEN], ids=['steady', 'uneven'])
def test_every_frame_is_restored_at_its_time(tmp_path, model, times):
    source = write_video(tmp_path / 'clip.mp4', times)
    target = tmp_path / 'deep' / 'out.mp4'
    count, seconds = restore_video(source, target, Darkening(model), Options())
    assert count == 8
    assert seconds > 0
    frames, shown = read_frames(target)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 8
    assert shown == pytest.approx([time / 20 for time in times], abs=1e-3)
    for before, after in zip(read_frames(source)[0], frames, strict=True):
        # A codec changes a value by two or three.
        assert np.abs(model.restore(before) // 2 - after.astype(float)).mean() < 5
        assert np.abs(before - after.astype(float)).mean() > 10


def test_the_sound_is_not_touched(tmp_path, model):
    source, target = write_video(tmp_path / 'clip.mp4'), tmp_path / 'out.mp4'
    restore_video(source, target, model, Options())
    packets, codec, duration = read_sound(target)
    expected, _, length = read_sound(source)
    assert packets == expected
    assert codec == 'aac'
    assert duration == pytest.approx(length, abs=1e-3)


def test_a_video_without_sound(tmp_path, model):
    source, target = write_video(tmp_path / 'clip.mkv', sound=None), tmp_path / 'out.mkv'
    assert restore_video(source, target, model, Options())[0] == 8
    with av.open(str(target)) as container:
        assert [stream.type for stream in container.streams] == ['video']


def test_the_codec_is_the_source_s(tmp_path, model):
    source = write_video(tmp_path / 'clip.webm', codec='libvpx-vp9', sound='libopus')
    restore_video(source, tmp_path / 'out.webm', model, Options())
    with av.open(str(tmp_path / 'out.webm')) as container:
        assert container.streams.video[0].codec_context.name == 'vp9'
        assert container.streams.audio[0].codec_context.name == 'opus'


def test_a_file_without_picture_is_refused(tmp_path, model):
    source = write_video(tmp_path / 'sound.mp4', picture=False)
    with pytest.raises(ValueError, match='sound.mp4 has no picture'):
        restore_video(source, tmp_path / 'out.mp4', model, Options())
    assert [path.name for path in tmp_path.iterdir()] == ['sound.mp4']


def test_what_is_no_video_is_refused(tmp_path, model):
    (tmp_path / 'text.mp4').write_text('not a video')
    with pytest.raises(ValueError, match='text.mp4'):
        restore_video(tmp_path / 'text.mp4', tmp_path / 'out.mp4', model, Options())
    assert [path.name for path in tmp_path.iterdir()] == ['text.mp4']


class Failing:
    """Fails at the third frame."""

    def __init__(self, model):
        self.model, self.left = model, 2

    def run(self, image, options):
        if not self.left:
            raise MemoryError('The third frame is too much.')
        self.left -= 1
        return self.model.run(image, options)


def test_a_failure_leaves_what_was_there(tmp_path, model):
    source, target = write_video(tmp_path / 'clip.mp4'), tmp_path / 'out.mp4'
    target.write_text('before')
    with pytest.raises(MemoryError, match='third frame'):
        restore_video(source, target, Failing(model), Options())
    assert target.read_text() == 'before'
    assert sorted(path.name for path in tmp_path.iterdir()) == ['clip.mp4', 'out.mp4']


def test_the_command(tmp_path, monkeypatch, model, capsys):
    monkeypatch.chdir(tmp_path)
    model.save('model')
    write_video('clip.mp4')
    assert main(['restore', 'clip.mp4', '--model', 'model']) == 0
    assert len(read_frames('clip_restored.mp4')[0]) == 8
    assert '8 frames' in capsys.readouterr().err
    with pytest.raises(FileExistsError, match='clip_restored'):
        main(['restore', 'clip.mp4', '--model', 'model'])
    assert {path.name for path in tmp_path.iterdir()} == {'clip.mp4', 'clip_restored.mp4', 'model'}
