"""The Dockerfile: linted by rules of its own, its steps against what the project says."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time

import pytest

from irbox.commands.main import command_parser
from support.environments import own_environment
from support.paths import ROOT
from support.tiny_model import tiny_model

TEXT = (ROOT / 'Dockerfile').read_text(encoding='utf-8')
KNOWN = {'FROM', 'WORKDIR', 'COPY', 'ARG', 'RUN', 'USER', 'EXPOSE', 'HEALTHCHECK', 'ENTRYPOINT'}


def steps():
    """Instructions in order, comments left out and lines joined."""
    lines = [line for line in TEXT.splitlines() if line.strip() and not line.startswith('#')]
    joined = re.sub(r'\\\n\s*', ' ', '\n'.join(lines))
    return [tuple(line.split(None, 1)) for line in joined.splitlines()]


def of(name):
    return [rest for one, rest in steps() if one == name]


def test_every_instruction_is_one_and_the_base_is_named_with_its_version():
    names = [name for name, _ in steps()]
    assert set(names) <= KNOWN and names[0] == 'FROM' and names.count('ENTRYPOINT') == 1
    assert re.fullmatch(r'python:3\.1[123]-slim', of('FROM')[0])
    assert all('latest' not in rest for _, rest in steps())


def test_what_is_copied_is_there_and_is_all_that_the_package_is_built_of():
    copied = [one for rest in of('COPY') for one in shlex.split(rest)[:-1]]
    assert all((ROOT / one).exists() for one in copied)
    built_of = ['setup.py', 'pyproject.toml', 'README.md', 'LICENSE', 'MANIFEST.in']
    assert not {*built_of, 'constraints.txt', 'irbox', 'configs', 'plugins'} - set(copied)


def test_the_shell_steps_parse_and_leave_nothing_behind():
    for step in of('RUN'):
        subprocess.run(['sh', '-n', '-c', step], check=True)
        for pip in re.findall(r'pip install [^&]*', step):
            assert '--no-cache-dir' in pip
    assert 'rm -rf' in of('RUN')[0]


def test_the_constraints_that_it_leaves_out_are_those_of_torch(tmp_path):
    """The step itself is run; the rest still pins what the page needs."""
    (command,) = re.findall(r'(grep .*?) > /tmp/constraints\.txt', of('RUN')[0])
    left = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True)
    pinned = {line.partition('==')[0].lower() for line in left.stdout.splitlines()}
    assert {'gradio', 'mmengine-lite', 'numpy'} <= pinned
    assert not [one for one in pinned if one.startswith(('torch', 'nvidia', 'triton', 'cuda'))]


def test_the_extras_exist():
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", of('RUN')[0])
    setup = (ROOT / 'setup.py').read_text(encoding='utf-8')
    assert all(f"'{extra}': [" in setup for extra in extras.split(','))


def test_it_runs_as_nobody_in_particular_and_serves_what_it_publishes():
    names = [name for name, _ in steps()]
    assert names.index('USER') < names.index('ENTRYPOINT') and of('USER') == ['irbox']
    program, command, *options = json.loads(of('ENTRYPOINT')[0])
    args = command_parser(command).parse_args([*options, '--model', '/model'])
    assert (program, command, args.host) == ('irbox', 'ui', '0.0.0.0')
    assert of('EXPOSE') == [str(args.port)]
    (code,) = (json.loads(re.search(r'CMD (\[.*\])', one)[1])[2] for one in of('HEALTHCHECK'))
    compile(code, 'healthcheck', 'exec')
    assert f'127.0.0.1:{args.port}/health' in code


PIP = """#!/bin/sh
echo "$@" >> {place}/pip.log
case "$*" in
  *.\\[*)
    {python} -m pip wheel -q --no-deps --no-build-isolation -w {place} .
    {python} -m pip --python {own} install -q --no-deps --no-index --ignore-installed {place}/*.whl
esac
"""
"""Fetches nothing: PyTorch and the extras are there; irbox itself is built and installed."""


@pytest.fixture
def image(tmp_path):
    """What the steps leave, in a folder: all but the downloads and the user."""
    work, own = tmp_path / 'irbox', own_environment(tmp_path / 'env')
    for rest in of('COPY'):
        *sources, target = shlex.split(rest)
        for source in sources:
            place = work / target / source if target == './' else work / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns('__pycache__'))
            else:
                place.parent.mkdir(exist_ok=True)
                shutil.copy(ROOT / source, place)
    tools = tmp_path / 'tools'
    tools.mkdir()
    (tools / 'pip').write_text(PIP.format(place=tmp_path, python=sys.executable, own=own))
    (tools / 'pip').chmod(0o755)
    assert of('WORKDIR')[0] == '/irbox'
    step = of('RUN')[0].replace('/tmp/', f'{tmp_path}/').replace('/irbox/', f'{work}/')
    environment = {
        **{key: value for key, value in os.environ.items() if key != 'PYTHONPATH'},
        'PATH': f'{tools}:{os.environ["PATH"]}',
        'TORCH_INDEX': 'https://torch.test/cpu',
    }
    subprocess.run(['sh', '-ec', step], cwd=work, env=environment, check=True)
    assert not list(work.iterdir()) and not (tmp_path / 'constraints.txt').exists()
    return own, (tmp_path / 'pip.log').read_text().splitlines(), tmp_path


@pytest.mark.slow
def test_its_steps_build_a_page_that_answers_the_health_check(image):
    own, asked, place = image
    assert len(asked) == 2
    assert '--index-url https://torch.test/cpu torch>=2.10' in asked[0]
    assert f'-c {place}/constraints.txt .[' in asked[1]
    model = tiny_model().save(place / 'model')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    program, *arguments = json.loads(of('ENTRYPOINT')[0])
    # Here nobody else is to see it.
    arguments += ['--model', str(model), '--port', str(port), '--host', '127.0.0.1']
    page = subprocess.Popen([own.with_name(program), *arguments], cwd=place)
    try:
        _, *check = json.loads(re.search(r'CMD (\[.*\])', of('HEALTHCHECK')[0])[1])
        check = [one.replace(':7860/', f':{port}/') for one in check]
        healthy, end = False, time.monotonic() + 120
        while not healthy and time.monotonic() < end and page.poll() is None:
            time.sleep(0.5)
            asked = subprocess.run([own, *check], capture_output=True, check=False)
            healthy = asked.returncode == 0
        assert healthy
    finally:
        page.terminate()
        page.wait()
