import shutil

import pytest
from PIL import Image

from support.check_data import folders, kinds


def names(number, start=1):
    return [f'{index}.png' for index in range(start, start + number)]


@pytest.mark.parametrize('role', ['input', 'target'])
def test_a_training_file_under_another_name_in_the_test_set(check, pairs, tmp_path, role):
    pairs('train', names(3))
    pairs('test', names(3, start=10))
    shutil.copy(tmp_path / f'test/{role}/11.png', tmp_path / f'train/{role}/2.png')
    [leak] = check({'rain': folders('train')}, {'rain': folders('test')}).findings
    word = 'degraded' if role == 'input' else 'clean'
    assert leak.message == f'1 {word} training images are images of val_dataloader.rain, too.'
    assert leak.files == [(f'{tmp_path}/train/{role}/2.png', f'{tmp_path}/test/{role}/11.png')]
    assert leak.serious and 'exclude_copies_of' in leak.remedy


def test_the_test_folder_itself_used_for_training(check, pairs):
    pairs('d', names(3))
    report = check({'rain': folders('d')}, {'rain': folders('d')})
    assert kinds(report.findings) == ['leak']
    assert '3 clean and 3 degraded' in report.findings[0].message


def test_files_of_equal_length_are_told_apart(check, tmp_path):
    """Bitmaps of one size are equally long, and these share the middle of the file, too."""
    for folder, shade in (('train', 0), ('test', 9)):
        for role, green in (('input', 1), ('target', 2)):
            (tmp_path / folder / role).mkdir(parents=True)
            image = Image.new('RGB', (64, 64), (5, green, 5))
            image.putpixel((0, 0), (shade, 0, 0))
            image.save(tmp_path / folder / role / '1.bmp')
    assert check({'rain': folders('train')}, {'rain': folders('test')}).findings == []


def test_a_copy_in_another_file_type_is_found_by_decoding(check, pairs, tmp_path):
    pairs('train', names(2))
    pairs('test', names(2, start=10))
    Image.open(tmp_path / 'test/target/10.png').save(tmp_path / 'train/target/1.bmp')
    (tmp_path / 'train/target/1.png').unlink()
    sets = {'rain': folders('train')}, {'rain': folders('test')}
    assert check(*sets).findings == []
    assert kinds(check(*sets, deep=True).findings) == ['leak']


def test_clean_images_may_be_the_same_within_a_set_degraded_ones_may_not(check, pairs, tmp_path):
    pairs('d', names(3))
    shutil.copy(tmp_path / 'd/target/1.png', tmp_path / 'd/target/2.png')
    assert check({'rain': folders('d')}).findings == []
    shutil.copy(tmp_path / 'd/input/1.png', tmp_path / 'd/input/2.png')
    [finding] = check({'rain': folders('d')}).findings
    assert finding.kind == 'duplicate'
    assert finding.files == [(f'{tmp_path}/d/input/1.png', f'{tmp_path}/d/input/2.png')]


def test_sources_that_overlap(check, pairs):
    pairs('d', names(3))
    [finding] = check({'one': folders('d'), 'two': folders('d')}).findings
    assert finding.kind == 'duplicate' and 'one, two' in finding.message
    noise = {'input': 'd/target', 'target': 'd/target'}
    strengths = {
        f's{sigma}': noise | {'degrade': {'type': 'GaussianNoise', 'sigma': sigma}}
        for sigma in (15, 25)
    }
    assert check(strengths).findings == []


def test_scenes_of_the_rain_test_set(check, pairs):
    pairs('train', [f'im_{scene:04}_s80_a04.png' for scene in (300, 301, 350, 351)])
    [leak] = check({'rain': folders('train')}).findings
    assert leak.kind == 'leak' and leak.serious
    assert '2 training images are named for 2 scenes of Outdoor-Rain' in leak.message
    assert 'first: 301, last: 350' in leak.remedy


def test_scenes_that_a_test_set_shares(check, pairs):
    pairs('train', [f'im_0012_s{rain}_a04.png' for rain in (80, 85)])
    pairs('test', ['im_0012_s90_a05.png'])
    [leak] = check({'rain': folders('train')}, {'rain_fog': folders('test')}).findings
    assert '2 training images' in leak.message and 'val_dataloader.rain_fog' in leak.message


def test_scenes_of_reside_are_worth_knowing_only(check, pairs):
    pairs('train', ['0025_0.8_0.04.png'])
    pairs('test', ['0025_1_0.2.png', '0001_1_0.2.png'])
    [note] = check({'haze': folders('train')}, {'haze': folders('test')}).findings
    assert not note.serious and 'RESIDE' in note.message


@pytest.mark.parametrize(
    ('train', 'folder', 'file'),
    [
        ('flat/blur', 'flat', 'GOPR0372_07_00_000047.png'),
        ('crops/blur', 'crops', 'GOPR0372_07_00-000047-8.png'),
        ('GOPR0372_07_00/blur', 'GOPR0372_07_00', '000047.png'),
    ],
)
def test_sequences_of_gopro(check, pairs, save, train, folder, file):
    save(f'{folder}/blur/{file}')
    save(f'{folder}/sharp/{file}')
    pairs('test', ['GOPR0372_07_00-000099.png', 'GOPR0384_11_00-000001.png'])
    source = {'input': train, 'target': train.replace('blur', 'sharp')}
    [leak] = check({'blur': source}, {'blur': folders('test')}).findings
    assert leak.serious and '1 training images are named for 1 scenes of GoPro' in leak.message
