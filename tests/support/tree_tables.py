"""The tables of trees in docs/datasets.md, which ``python tests/support/tree_tables.py`` writes."""

import sys
from collections import Counter
from pathlib import Path, PurePosixPath

TESTS = Path(__file__).resolve().parents[1]
DOCS = TESTS.parent / 'docs' / 'datasets.md'


def all_trees(trees):
    """Give a row for each tree: an example of its pairs, who has it, and what is found in it."""
    rows = dict.fromkeys(_row(tree) for tree in trees)
    return [
        '| set, split | a degraded image and its clean one | tree | found |',
        '|---|---|---|---|',
        *sorted(rows, key=lambda row: row.split('`')[1]),
    ]


def wrong_trees(trees):
    """Give a row for each thing done wrong: what is said of it, and what a training does."""
    rows = ['| done wrong, or so it seems | what is said | a training |', '|---|---|---|']
    for tree in trees:
        does = 'is refused' if tree.says else 'begins without a word'
        if tree.by_hand:
            does += '; with `strict_data: false`, begins with a warning'
        rows.append(f'| {tree.wrong} | {tree.answer} | {does} |')
    return rows


def _row(tree):
    name, split = tree.source['set'], tree.source.get('split')
    degraded, clean, _ = tree.pairs[0]
    both = [_shown(degraded, tree)] + ([_shown(clean, tree)] if clean != degraded else [])
    about = tree.about.partition(': ')[2].removesuffix(f', {split}') or 'one folder'
    counts = Counter(label for *_, label in tree.pairs)
    found = ', '.join(
        f'{number} {label if label != "x" else "clean" if clean == degraded else "pairs"}'
        for label, number in counts.items()
    )
    others = f'; not taken: {len(tree.others)}' if tree.others else ''
    where = f'`{name}`' + (f' `{split}`' if split else '')
    return f'| {where} | {", ".join(both)} | {about} | {found}{others} |'


def _shown(path, tree):
    inner = PurePosixPath(path)
    root = tree.source.get('root', '.')
    return f'`P/{inner.relative_to(root) if inner.is_relative_to(root) else inner}`'


def in_docs(text, tables):
    """Put tables between their marks."""
    for name, rows in tables.items():
        begin, end = f'<!-- {name} -->\n', f'<!-- end of {name} -->\n'
        before, _, rest = text.partition(begin)
        text = before + begin + ''.join(f'{row}\n' for row in rows) + end + rest.partition(end)[2]
    return text


def tables():
    """Give both tables by name."""
    from support.all_trees import TREES
    from support.wrong_trees import TREES as WRONG

    return {'all trees': all_trees(TREES), 'wrong trees': wrong_trees(WRONG)}


if __name__ == '__main__':
    sys.path.insert(0, str(TESTS))
    DOCS.write_text(in_docs(DOCS.read_text(encoding='utf-8'), tables()), encoding='utf-8')
