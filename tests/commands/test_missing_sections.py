"""Commands that need more of a config than it has."""

import pytest

from irbox.commands.main import main


@pytest.mark.parametrize(
    ('arguments', 'missing'),
    [
        (['pack-data', 'a.yaml', 'out'], 'train_dataloader'),
        (['benchmark-restoring', 'speed', 'a.yaml'], 'model'),
        (['scale', '--pairs', '10', 'a.yaml'], 'model'),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_what_is_missing_is_named(arguments, missing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'a.yaml').write_text('work_dir: x\n')
    with pytest.raises(ValueError, match=rf'a\.yaml has no `{missing}`, which is needed here'):
        main(arguments)
