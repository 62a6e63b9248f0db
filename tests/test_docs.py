"""The documents agree with the tree: links, extras, versions, pictures, hooks."""

import ast
import re

import pytest
import yaml

import irbox
from irbox.datasets.photographs import RESERVED, TRAINING
from support.paths import ROOT

DOCUMENTS = sorted([*ROOT.glob('*.md'), *(ROOT / 'docs').glob('*.md')])
SETUP = (ROOT / 'setup.py').read_text()
README = (ROOT / 'README.md').read_text()
INSTALL = (ROOT / 'docs/install.md').read_text()


def declared(name):
    """What setup.py passes under a name."""
    call = next(
        node
        for node in ast.walk(ast.parse(SETUP))
        if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'setup'
    )
    return ast.literal_eval(next(one.value for one in call.keywords if one.arg == name))


def distributions(requirements):
    return {re.split(r'[<>=\[]', one)[0].lower().replace('_', '-') for one in requirements}


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    links = re.findall(r'\]\(([^)#\s]+)(?:#[^)]*)?\)', document.read_text())
    lost = [link for link in links if '://' not in link and not (document.parent / link).exists()]
    assert not lost


def test_every_document_is_on_the_site():
    text = (ROOT / 'mkdocs.yml').read_text()
    missing = [path.name for path in (ROOT / 'docs').glob('*.md') if f'- {path.name}' not in text]
    assert not missing


def test_every_extra_is_explained_and_every_one_explained_exists():
    rows = set(re.findall(r'^\| `(\w+)` \|', INSTALL, re.MULTILINE))
    assert rows == set(declared('extras_require'))
    assert all(f'`{extra}`' in README for extra in rows)


def test_constraints_hold_what_the_setup_of_make_installs():
    text = (ROOT / 'constraints.txt').read_text().splitlines()
    pinned = distributions(text)
    extras = declared('extras_require')
    wanted = [*declared('install_requires'), *extras['test'], *extras['docs']]
    assert not distributions(wanted) - pinned - {'setuptools'}
    assert text == sorted(text, key=str.casefold)
    torch = next(line for line in text if line.startswith('torch=='))
    assert tuple(map(int, re.findall(r'\d+', torch)))[:2] >= (2, 10)
    assert 'torch>=2.10' in declared('install_requires')


def test_python_versions_agree():
    versions = re.findall(r'Python :: (3\.\d+)', ' '.join(declared('classifiers')))
    assert declared('python_requires') == f'>={versions[0]}'
    sentence = f'Python {", ".join(versions[:-1])} or {versions[-1]}.'
    assert sentence in README
    assert sentence in INSTALL
    workflow = yaml.safe_load((ROOT / '.github/workflows/ci.yml').read_text())
    job = workflow['jobs']['check']
    assert job['strategy']['matrix']['python'] == versions
    assert job['steps'][-1] == {'run': '.ci/run'}


def test_every_photograph_is_attributed():
    rows = set(
        re.findall(r'^\| (\w+) \|', (ROOT / 'docs/attribution.md').read_text(), re.MULTILINE)
    )
    assert rows - {'photograph'} == {*TRAINING, *RESERVED}
    caption = README.split('(docs/small.jpg)')[1][:400]
    assert 'danielbuechele' in caption
    assert 'CC BY 2.0' in caption


def test_the_commit_hooks_are_make_lint():
    makefile = (ROOT / 'Makefile').read_text().replace('$(BIN)', '.venv/bin')
    lint = re.search(r'^lint:.*\n((?:\t.*\n)+)', makefile, re.MULTILINE)[1]
    hooks = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())['repos'][0]['hooks']
    assert [hook['entry'] for hook in hooks] == [line.strip() for line in lint.splitlines()]
    assert not [hook for hook in hooks if hook['pass_filenames'] or not hook['always_run']]


def test_the_citation():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert citation['version'] == irbox.__version__
    assert citation['license'] in SETUP
    titles = [paper['title'] for paper in citation['references']]
    assert [title.split(':')[0] for title in titles] == ['M2IR', 'M2Restore']
