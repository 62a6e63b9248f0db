from pathlib import Path

import pytest

from irbox.restore.batch.job import Job, Outcome
from irbox.restore.batch.summary import SHOWN, exit_code, summary


def outcome(name='a', status='restored', **rest):
    return Outcome(Job(Path(f'{name}.png'), Path(f'out/{name}.png')), status, **rest)


@pytest.mark.parametrize(
    ('statuses', 'not_begun', 'code'),
    [
        ([], 0, 0),
        ([], 3, 1),
        (['restored'], 0, 0),
        (['restored'], 1, 1),
        (['restored', 'failed'], 0, 1),
        (['failed', 'failed'], 0, 2),
        (['failed'], 5, 2),
    ],
)
def test_exit_codes(statuses, not_begun, code):
    assert exit_code([outcome(status=one) for one in statuses], not_begun) == code


def test_lines_for_what_there_is_to_say():
    outcomes = [outcome(name, megapixels=0.75, notes=['It was gray.']) for name in 'abc']
    outcomes += [outcome('d', megapixels=0.75, notes=['Once.'])]
    outcomes += [outcome(f'f{i}', 'failed', reason='no') for i in range(SHOWN + 2)]
    assert summary(outcomes, skipped=4, not_begun=5, seconds=2.0).splitlines() == [
        f'Restored 4 of {len(outcomes) + 5}: 3 megapixels, 1.5 a second.',
        '4 had an answer already.',
        '5 were not begun.',
        'Note: a.png and 2 more: It was gray.',
        'Note: d.png: Once.',
        *(f'Failed: f{i}.png: no' for i in range(SHOWN)),
        '... and 2 more failed; --report FILE.json lists all.',
    ]
    assert summary([], 0, 0, 0.0) == 'Restored 0 of 0: 0 megapixels.'
