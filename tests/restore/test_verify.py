import numpy as np
import pytest
from PIL import Image

from irbox.commands.main import command_parser
from irbox.commands.verify import run
from irbox.pictures import read_picture, write_picture
from irbox.restore.batch.job import Job, Outcome
from irbox.restore.batch.picture_steps import PictureSteps
from irbox.restore.batch.settings import Settings
from irbox.restore.devices import DTYPES
from irbox.restore.verify import read_claim, verify
from support.tiny_model import photograph, tiny_model


@pytest.fixture(scope='module')
def model():
    return tiny_model()


@pytest.fixture
def source(tmp_path):
    photograph().save(tmp_path / 'a.png')
    return tmp_path / 'a.png'


def restored(source, models, target=None, **options):
    """Write an answer as a batch does."""
    settings = options.pop('settings', Settings())
    steps = PictureSteps(models, settings, **options)
    job = Job(source, target or source.parent / 'new/out.png')
    outcome = Outcome(job, 'restored')
    picture = steps.read(job)
    steps.write(job, picture, steps.restore(picture, outcome), outcome)
    return job.target, outcome


@pytest.mark.parametrize(
    'settings',
    [Settings(), Settings(strength=0.5, tile=32, overlap=8), Settings(tile=52, overlap=26)],
    ids=['plain', 'changed', 'tiles that are evened'],
)
def test_an_answer_is_what_its_record_says(model, source, settings):
    output, outcome = restored(source, [model], settings=settings)
    assert outcome.megapixels == pytest.approx(0.0024) and list(outcome.details) == ['tiny']
    claim = read_claim(output)
    assert claim.model == 'tiny' and claim.precision == 'fp32'
    assert claim.settings.strength == settings.strength
    verdict = verify(source, output, claim, model)
    assert verdict.same and verdict.text.endswith(', to the bit.')


@pytest.mark.parametrize(('precision', 'runtime'), [('fp32', 'torch'), ('bf16', 'openvino')])
def test_half_precision_is_repeated_in_the_runtime_that_rounded(source, precision, runtime):
    model = tiny_model()
    output, _ = restored(source, [model])
    assert 'runtime' not in read_claim(output).record and read_claim(output).runtime == 'torch'
    model.runtime, model.dtype = 'openvino', DTYPES[precision]
    output, _ = restored(source, [model], source.parent / 'other.png')
    assert read_claim(output).record['runtime'] == 'openvino'
    assert read_claim(output).runtime == runtime


@pytest.mark.parametrize('named', ['tvm', 'auto', 5])
def test_a_runtime_that_somebody_wrote_is_refused(model, source, named):
    output, _ = restored(source, [model])
    record = {**read_claim(output).record, 'runtime': named}
    write_picture(read_picture(output), read_picture(output).pixels, output, record=record)
    with pytest.raises(ValueError, match='which is none: it was changed'):
        assert read_claim(output).runtime


@pytest.mark.parametrize(
    ('levels', 'same', 'said'), [(1, True, 'but for rounding'), (2, False, 'by up to 2 levels')]
)
def test_how_much_a_changed_answer_differs(model, source, levels, same, said):
    output, _ = restored(source, [model])
    picture, record = read_picture(output), read_claim(output).record
    changed = picture.pixels.copy()
    changed[3, 4, 0] ^= levels
    write_picture(picture, changed, output, record=record)
    verdict = verify(source, output, read_claim(output), model)
    assert verdict.same == same and said in verdict.text


def test_another_picture_other_weights_and_another_size(model, source):
    output, _ = restored(source, [model])
    claim = read_claim(output)
    other = source.with_name('b.png')
    photograph(30, 30).save(other)
    assert 'is not the picture' in verify(other, output, claim, model).text
    assert 'by other weights' in verify(source, output, claim, tiny_model(seed=1)).text
    assert 'another size' in verify(source, other, claim, model).text


def test_a_mask_must_be_given_again(model, source):
    mask = source.with_name('mask.png')
    Image.fromarray(np.eye(40, 60, dtype=np.uint8) * 255).save(mask)
    output, _ = restored(source, [model], settings=Settings(mask=mask))
    claim = read_claim(output)
    with pytest.raises(ValueError, match='made with a mask, mask.png: give --mask'):
        verify(source, output, claim, model)
    assert verify(source, output, claim, model, mask).same


def test_an_answer_without_a_record(model, source):
    output, _ = restored(source, [model], settings=Settings(record=False))
    with pytest.raises(ValueError, match='has no record .* --no-record, by another program, or'):
        read_claim(output)


def test_the_command_says_it_by_its_exit_code(model, source, capsys):
    output, _ = restored(source, [model])
    model.save(source.with_name('model'))
    parse = command_parser('verify', 'irbox verify').parse_args
    options = ['--model', str(source.with_name('model')), '--device', 'cpu']
    assert run(parse([str(source), str(output), *options])) == 0
    assert 'to the bit' in capsys.readouterr().out
    assert run(parse([str(output), str(output), *options])) == 1


def test_a_name_that_is_not_true_and_a_comparison_beside(model, source):
    lying = source.with_name('b.png')
    photograph().save(lying, 'JPEG')
    target = source.with_name('out.png')
    _, outcome = restored(lying, [model], target, compare=True, clean=lambda path: source)
    names = {path.name for path in source.parent.glob('out*')}
    assert (
        names == {'out.jpg', 'out_compare.png'}
        and Image.open(source.with_name('out.jpg')).format == 'JPEG'
    )
    assert any('Written as out.jpg: it is a JPEG file by content' in one for one in outcome.notes)
    with pytest.raises(FileExistsError, match='out.jpg exists. Add --overwrite'):
        restored(lying, [model], target)
    restored(lying, [model], target, overwrite=True)


def test_several_models_make_a_sheet(model, source):
    sheet, outcome = restored(source, [model, tiny_model(1, 'other')])
    assert list(outcome.details) == ['tiny', 'other']
    assert Image.open(sheet).width > 3 * 60 and not source.with_name('out.png').exists()
