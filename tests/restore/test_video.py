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


def scene(number, size=SIZE):
    """Give a frame: a photograph that moves by four pixels a frame."""
    left, (width, height) = 100 + 4 * number, size
    return np.ascontiguousarray(skimage.data.chelsea()[80 : 80 + height, left : left + width])


def write_video(
    path,
    times=STEADY,
    codec='libx264',
    sound='aac',
    picture=True,
    size=SIZE,
    pix_fmt='yuv420p',
    turned=0,
    **said,
):
    """Write a video of a moving photograph, times in twentieths of a second, and of a tone.

    Args:
        turned: Degrees, counterclockwise, that a player is to turn the frames by.
        **said: What else the stream says of itself: attributes of its codec context.
    """
    with av.open(str(path), 'w') as container:
        container.metadata['title'] = 'A cat'
        if picture:
            video = container.add_stream(codec, rate=20)
            video.width, video.height, video.pix_fmt = *size, pix_fmt
            # AVI's clock ticks once a frame.
            video.codec_context.time_base = Fraction(1, 20 if path.suffix == '.avi' else 1000)
            if turned:
                video.set_display_rotation(turned)
            for name, value in said.items():
                setattr(video.codec_context, name, value)
        if sound:
            audio = container.add_stream(sound, rate=RATE, layout='mono')
        for number, time in enumerate(times if picture else ()):
            frame = av.VideoFrame.from_ndarray(scene(number, size), format='rgb24')
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


class Same:
    """Gives what it gets."""

    def run(self, image, options):
        return SimpleNamespace(image=image)


@pytest.mark.parametrize('times', [STEADY, UNEVEN, tuple(range(3, 11))])
@pytest.mark.parametrize('kind', ['mp4', 'mov', 'mkv'])
def test_every_frame_is_restored_at_its_time(tmp_path, model, times, kind):
    source = write_video(tmp_path / f'clip.{kind}', times)
    target = tmp_path / 'deep' / f'out.{kind}'
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


def colors(path):
    """Give the first frame as the numbers that the file holds, and what they mean."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(stream))
        planes = [np.frombuffer(plane, np.uint8).astype(float).mean() for plane in frame.planes]
        own = stream.codec_context
        return planes, (own.colorspace, own.color_primaries, own.color_trc, own.color_range)


@pytest.mark.parametrize('meaning', [(1, 1, 1, 1), (2, 2, 2, 0), (9, 9, 16, 1)])
def test_colors_mean_what_they_meant(tmp_path, meaning):
    names = ('colorspace', 'color_primaries', 'color_trc', 'color_range')
    said = dict(zip(names, meaning, strict=True))
    source, target = write_video(tmp_path / 'clip.mp4', **said), tmp_path / 'out.mp4'
    restore_video(source, target, Same(), Options())
    before, after = colors(source), colors(target)
    assert before[1] == after[1] == meaning
    # Without its care FFmpeg makes every frame darker by more than a level.
    assert after[0] == pytest.approx(before[0], abs=0.4)


@pytest.mark.parametrize('degrees', [90, 180, -90])
@pytest.mark.parametrize('kind', ['mp4', 'mkv'])
def test_a_turned_video_comes_out_upright(tmp_path, degrees, kind):
    said = {'turned': degrees, 'sample_aspect_ratio': Fraction(4, 3)}
    source = write_video(tmp_path / f'clip.{kind}', **said)
    target = tmp_path / f'out.{kind}'
    restore_video(source, target, Same(), Options())
    with av.open(str(target)) as container:
        frame = next(container.decode(video=0))
        shape = container.streams.video[0].sample_aspect_ratio
    assert frame.rotation == 0
    # A telephone that is held upright writes -90: a quarter turn clockwise shows what it saw.
    quarters = {90: 1, 180: 2, -90: 3}[degrees]
    expected = np.rot90(read_frames(source)[0][0], quarters)
    assert np.abs(frame.to_ndarray(format='rgb24') - expected.astype(float)).mean() < 5
    assert shape == (Fraction(4, 3) if degrees == 180 else Fraction(3, 4))


@pytest.mark.parametrize(
    ('name', 'codec', 'sound', 'pix_fmt'),
    [
        ('clip.mp4', 'libx264', 'aac', 'yuv444p'),
        ('clip.webm', 'libvpx-vp9', 'libopus', 'yuv420p'),
        ('clip.webm', 'libvpx', 'libopus', 'yuv420p'),
    ],
)
def test_odd_sides_stay(tmp_path, name, codec, sound, pix_fmt):
    odd = {'size': (63, 47), 'codec': codec, 'sound': sound, 'pix_fmt': pix_fmt}
    source, target = write_video(tmp_path / name, **odd), tmp_path / f'out_{name}'
    restore_video(source, target, Same(), Options())
    before, after = read_frames(source)[0][-1], read_frames(target)[0][-1]
    assert after.shape == (47, 63, 3)
    assert np.abs(before - after.astype(float)).mean() < 5


@pytest.mark.parametrize('codec', ['mpeg4', 'libx264'])
def test_avi_keeps_the_order_of_the_frames(tmp_path, codec):
    # libx264 stores frames in another order than they are shown, and AVI holds no times.
    source = write_video(tmp_path / 'clip.avi', codec=codec, sound=None)
    target = tmp_path / 'out.avi'
    assert restore_video(source, target, Same(), Options())[0] == 8
    frames, shown = read_frames(target)
    assert np.diff(shown) == pytest.approx([0.05] * 7, abs=1e-3)
    for number, frame in enumerate(frames):
        assert np.abs(frame - scene(number).astype(float)).mean() < 8, number


def test_what_the_file_says_of_itself_stays(tmp_path, model):
    source, target = write_video(tmp_path / 'clip.mp4'), tmp_path / 'out.mp4'
    restore_video(source, target, model, Options())
    with av.open(str(target)) as container:
        assert container.metadata['title'] == 'A cat'


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
    write_video(Path('clip.mp4'))
    assert main(['restore', 'clip.mp4', '--model', 'model']) == 0
    assert len(read_frames('clip_restored.mp4')[0]) == 8
    assert '8 frames' in capsys.readouterr().err
    with pytest.raises(FileExistsError, match='clip_restored'):
        main(['restore', 'clip.mp4', '--model', 'model'])
    assert {path.name for path in tmp_path.iterdir()} == {'clip.mp4', 'clip_restored.mp4', 'model'}
