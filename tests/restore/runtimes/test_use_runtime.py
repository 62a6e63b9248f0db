"""Which runtime a model is computed in: what is taken, remembered, refused and said."""

import json
import sys
from functools import partial

import numpy as np
import pytest
import torch

import irbox
from irbox.commands.main import main
from irbox.config.command_line import run_tool
from irbox.graphs.engines import TITLES
from irbox.restore.memory_need import MemoryNeed
from irbox.restore.options import Options
from irbox.restore.restore_together import restore_together
from irbox.restore.runtimes.kept_graph import kept_path
from irbox.restore.runtimes.use_runtime import use_runtime
from support.fake_runtime import GRAPH, FakeRuntimes
from support.tiny_model import photograph, tiny_model


@pytest.fixture
def model(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    model = tiny_model()
    model.network.requires_grad_(False)
    return model


@pytest.fixture
def fake(monkeypatch, model):
    def make(**costs):
        return FakeRuntimes(monkeypatch, model.network, **costs)

    return make


def again(model):
    """The same model, as another start would load it."""
    other = tiny_model()
    other.network = other.engine = model.network
    return other


def use(model, runtime='auto', precision='auto'):
    said = []
    use_runtime(model, runtime, precision, said.append)
    return said


def test_torch_changes_nothing(model, fake):
    made = fake(openvino=0.1)
    assert not use(model, 'torch')
    assert model.runtime == 'torch' and model.engine is model.network
    assert not made.opened and not made.exported and not made.timed


def test_a_faster_one_is_taken_and_said(model, fake):
    fake(onnxruntime=0.8, openvino=0.5)
    (said,) = use(model)
    assert model.runtime == 'openvino' and model.engine is not model.network
    assert said == ('tiny: computed by OpenVINO: openvino 0.5 s, onnxruntime 0.8 s, torch 1 s.')
    assert 'by OpenVINO 1.0: openvino 0.5 s' in model.precision
    assert model.precision.startswith('float32: ')
    assert model.memory_need(None) == MemoryNeed(GRAPH.need.fixed, 2.5 * GRAPH.need.per_pixel)


@pytest.mark.parametrize('seconds', [1.5, 1.0, 0.975])
def test_a_slower_one_is_not_and_torch_wins_ties(model, fake, seconds):
    fake(openvino=seconds)
    (said,) = use(model)
    assert model.runtime == 'torch' and model.engine is model.network
    assert 'computed by torch' in said and 'not onnxruntime: not installed' in said


def test_the_fastest_of_those_that_are_equal(model, fake):
    made = fake(onnxruntime=0.8, openvino=0.1)
    made.wrong['openvino'] = 0.01
    (said,) = use(model)
    assert model.runtime == 'onnxruntime'
    assert 'not openvino: its answer differs from torch by' in said


def test_what_is_equal_at_first_and_not_when_a_size_comes_again(model, fake):
    made = fake(onnxruntime=0.8, openvino=0.1)
    passed = []

    def wrong_from_the_third_run():
        passed.append(None)
        return 0.01 if len(passed) > 2 else 0

    made.wrong['openvino'] = wrong_from_the_third_run
    (said,) = use(model)
    assert model.runtime == 'onnxruntime' and len(passed) > 2
    assert 'not openvino: its answer differs' in said and 'openvino 0.1 s' not in said


def test_answers_that_differ_by_rounding_are_equal(model, fake):
    made = fake(openvino=0.5)
    made.wrong['openvino'] = 1e-6
    use(model)
    assert model.runtime == 'openvino'


def test_what_is_not_finite_is_not_taken(model, fake):
    fake(openvino=0.5).wrong['openvino'] = float('nan')
    (said,) = use(model)
    assert model.runtime == 'torch' and 'not finite' in said


def test_a_choice_that_cannot_be_kept_is_taken_all_the_same(model, fake, monkeypatch, tmp_path):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    fake(openvino=0.5)
    said = use(model)
    assert model.runtime == 'openvino' and 'the next start chooses again' in said[0]


def test_a_choice_is_remembered(model, fake):
    made = fake(onnxruntime=0.8, openvino=0.5)
    use(model)
    tries, exported = made.timed, made.exported
    # Were it tried again, the other one would win.
    made.costs.update(onnxruntime=0.1)
    other = again(model)
    (said,) = use(other)
    assert other.runtime == 'openvino' and 'openvino 0.5 s' in said
    # One image, to see that what was kept still gives torch's answers.
    assert made.timed - tries == 1 and made.exported == exported


def test_that_torch_is_the_fastest_is_remembered_too(model, fake):
    made = fake(openvino=2.0)
    use(model)
    opened, tries = len(made.opened), made.timed
    other = again(model)
    use(other)
    assert other.runtime == 'torch'
    assert (len(made.opened), made.timed) == (opened, tries)


@pytest.mark.parametrize('change', ['threads', 'version'])
def test_another_machine_is_tried_anew(model, fake, monkeypatch, change):
    made = fake(onnxruntime=0.8, openvino=0.5)
    use(model)
    made.costs.update(onnxruntime=0.1)
    if change == 'threads':
        monkeypatch.setattr('torch.get_num_threads', lambda: 99)
    else:
        monkeypatch.setattr('irbox.restore.runtimes.choice.engine_version', lambda name: '2.0')
    other = again(model)
    use(other)
    assert other.runtime == 'onnxruntime'
    entries = json.loads(kept_path(model, '.runtimes.json').read_text())
    assert [one['choice']['runtime'] for one in entries] == ['openvino', 'onnxruntime']


@pytest.mark.parametrize('text', ['', '{', '[]', '{"a": 1}', '[{"machine": 1}, 5]'])
def test_a_damaged_memory_is_made_anew(model, fake, text):
    made = fake(openvino=0.5)
    path = kept_path(model, '.runtimes.json')
    path.parent.mkdir(parents=True)
    path.write_text(text)
    use(model)
    assert model.runtime == 'openvino'
    tries = made.timed
    use(again(model))
    assert made.timed - tries == 1


@pytest.mark.parametrize('choice', [{}, {'runtime': 'tvm'}, {'runtime': 'openvino', 'seconds': 5}])
def test_a_memory_that_somebody_changed_decides_nothing(model, fake, choice):
    fake(openvino=0.5)
    use(model)
    path = kept_path(model, '.runtimes.json')
    (entry,) = json.loads(path.read_text())
    path.write_text(json.dumps([entry | {'choice': choice}]))
    other = again(model)
    use(other)
    assert other.runtime == 'openvino'
    assert json.loads(path.read_text()) == [entry]


def test_a_kept_network_that_gives_other_answers_is_exported_anew(model, fake):
    """Such as after a change of a plug-in, which no weight shows."""
    made = fake(openvino=0.5)
    use(model)
    keep, made.wrong['openvino'] = made.keep, 0.5

    def keep_and_mend(*given, anew=False):
        if anew:
            made.wrong.clear()
        return keep(*given, anew=anew)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('irbox.restore.runtimes.use_runtime.keep_graph', keep_and_mend)
        other = again(model)
        use(other)
    assert other.runtime == 'openvino' and made.exported == 2


def test_what_cannot_be_exported_is_computed_by_torch(model, fake, monkeypatch):
    fake(openvino=0.5)

    def refuse(*given, **options):
        raise ValueError('This network cannot be exported: no.')

    monkeypatch.setattr('irbox.restore.runtimes.use_runtime.keep_graph', refuse)
    (said,) = use(model)
    assert model.runtime == 'torch' and 'cannot be exported: no' in said
    with pytest.raises(ValueError, match='cannot be exported: no'):
        use(model, 'openvino')


def test_where_none_is_installed_torch_computes(model, fake):
    made = fake()
    (said,) = use(model)
    assert model.runtime == 'torch' and not made.exported
    assert 'not onnxruntime: not installed; not openvino: not installed' in said


def test_a_named_one_is_taken_however_slow(model, fake):
    fake(openvino=5.0)
    use(model, 'openvino')
    assert model.runtime == 'openvino' and model.precision.endswith('OpenVINO 1.0: as asked for')


def test_a_named_one_that_differs_is_refused(model, fake):
    fake(openvino=0.5).wrong['openvino'] = 0.01
    with pytest.raises(ValueError, match=r"'openvino': its answer differs .* Leave runtime out"):
        use(model, 'openvino')
    assert model.runtime == 'torch' and model.engine is model.network


def test_a_named_one_that_cannot_run_the_network_is_refused(model, fake, monkeypatch):
    fake(openvino=0.5)

    def refuse(*given, **options):
        raise RuntimeError('no such operator\nat line 5')

    monkeypatch.setattr('irbox.restore.runtimes.use_runtime.open_engine', refuse)
    with pytest.raises(ValueError, match=r'cannot run the network .*no such operator\)\. Leave'):
        use(model, 'openvino')


def test_a_named_one_that_is_not_installed_says_how_to(model, fake):
    fake(onnxruntime=0.5)
    with pytest.raises(ImportError, match=r"runtime='openvino' needs .* pip install openvino"):
        use(model, 'openvino')


def test_the_command_says_so_too(model, tmp_path, capsys, monkeypatch):
    folder, picture = model.save(tmp_path / 'model'), tmp_path / 'a.png'
    photograph().save(picture)
    monkeypatch.setitem(sys.modules, 'openvino', None)
    how = ['restore', str(picture), '--model', str(folder), '--runtime', 'openvino']
    with pytest.raises(SystemExit) as left:
        run_tool(partial(main, how))
    assert left.value.code == 2
    assert 'pip install openvino' in capsys.readouterr().err
    assert not list(tmp_path.glob('*_restored*'))


def test_an_accelerator_computes_in_torch(model, fake):
    made = fake(openvino=0.1)
    model.device = torch.device('meta')
    use(model)
    assert model.runtime == 'torch' and not made.opened
    with pytest.raises(ValueError, match=r"device is meta. Choose device='cpu'"):
        use(model, 'openvino')


def in_bfloat16(model):
    model.dtype, model.precision = torch.bfloat16, 'bfloat16: as asked for'
    return model


def test_bfloat16_where_the_machine_multiplies_it(model, fake, monkeypatch):
    monkeypatch.setattr(
        'irbox.restore.runtimes.use_runtime.multiplies_bfloat16', lambda device: True
    )
    made = fake(onnxruntime=0.1, openvino=0.5)
    (said,) = use(in_bfloat16(model))
    assert model.runtime == 'openvino' and model.dtype == torch.bfloat16
    assert set(made.opened) == {('openvino', torch.bfloat16)}
    assert 'not onnxruntime: it does not compute in bfloat16 here' in said
    assert model.precision.startswith('bfloat16: ')
    # Further from float32 than rounding takes it.
    made.wrong['openvino'] = 0.05
    with pytest.raises(ValueError, match=r"'openvino': off .*, torch in its place"):
        use(in_bfloat16(again(model)), 'openvino', 'bf16')


@pytest.mark.parametrize('name', TITLES)
def test_bfloat16_is_refused_by_name_and_left_where_nobody_asked(model, fake, monkeypatch, name):
    monkeypatch.setattr(
        'irbox.restore.runtimes.use_runtime.multiplies_bfloat16', lambda device: False
    )
    fake(onnxruntime=0.5, openvino=0.5)
    with pytest.raises(ValueError, match=r"precision='bf16': .* float32 here. Choose 'fp32'"):
        use(in_bfloat16(model), name, 'bf16')
    use(model, name, 'auto')
    assert model.dtype == torch.float32 and model.precision.startswith('float32: ')


def test_all_that_restores_is_computed_there(model, fake):
    made = fake(openvino=0.5)
    use(model, 'openvino')
    expected = tiny_model()

    def close(found, wanted):
        return np.abs(np.asarray(found, int) - np.asarray(wanted, int)).max() <= 1

    picture = photograph(90, 61)
    for options in (
        {'tile': 'none'},
        {'tile': 48},
        {'self_ensemble': True},
        {'task': 'rain'},
        {'not_': 'haze'},
    ):
        before, in_torch = made.now, made.timed
        answer, report = model.restore(picture, report=True, **options)
        assert close(answer, expected.restore(picture, **options)), options
        assert made.now > before and made.timed == in_torch
        assert report.precision == model.precision and report.degradations
    assert report.steered['haze'] == 0
    batch = torch.rand(2, 3, 20, 24)
    torch.testing.assert_close(model(batch), expected(batch), atol=1e-5, rtol=0)
    assert made.timed == in_torch


def test_images_that_are_smaller_than_the_graph_takes_are_computed_by_torch(model, fake):
    made = fake(openvino=0.5)
    use(model, 'openvino')
    in_torch = made.timed
    model(torch.rand(1, 3, 1, 40))
    assert made.timed == in_torch + 1


def test_pictures_in_one_batch_are_computed_there(model, fake, tmp_path):
    from irbox.pictures import read_picture

    made = fake(openvino=0.5)
    use(model, 'openvino')
    model.runtime_notes.append('said of the runtime')
    photograph(30, 20).save(tmp_path / 'a.png')
    picture, in_torch = read_picture(tmp_path / 'a.png'), made.timed
    for one in restore_together(model, [picture, picture], Options()):
        assert 'said of the runtime' in one.report.notes
        assert 'restored in one batch of 2' in one.report.notes
    assert made.timed == in_torch


def test_the_weights_are_those_of_the_network(model, fake, tmp_path):
    fake(openvino=0.5)
    use(model, 'openvino')
    assert model.digest == tiny_model().digest and model.parameters == tiny_model().parameters
    model.save(tmp_path / 'saved')
    assert irbox.load(tmp_path / 'saved').digest == model.digest


def test_a_loaded_model_keeps_its_runtime(model):
    assert irbox.restore(photograph(), model).size == photograph().size
    with pytest.raises(ValueError, match=r"runtime='openvino' is chosen when a model is loaded"):
        irbox.restore(photograph(), model, runtime='openvino')
    with pytest.raises(ValueError, match=r"runtime='tvm' is unknown. Choose one of torch"):
        irbox.load('small', runtime='tvm')
