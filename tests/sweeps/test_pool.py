"""Several runs at a time."""

from irbox.sweeps.pool import run_all
from irbox.sweeps.run import Run

TOOL = (
    'import pathlib, sys\n'
    'folder = pathlib.Path(sys.argv[-1])\n'
    'for name in ("final.pth", "results.json"):\n'
    '    (folder / name).write_text("[]")\n'
)


def test_a_run_whose_folder_cannot_be_made_stops_no_other(tmp_path):
    for name in ('train', 'test'):
        (tmp_path / f'{name}.py').write_text(TOOL)
    (tmp_path / 'a').write_text('a file')
    runs = [Run(name, 0, f'name: {name}\n', tmp_path / name) for name in 'ab']
    said = {}
    run_all(runs, tmp_path, [{}], lambda run, failure: said.update({run.row: failure}))
    assert str(tmp_path / 'a') in said['a'] and said['b'] is None
