import subprocess
import sys

from irbox.commands.main import main


def test_it_says_what_there_is_and_what_is_missing(capsys, monkeypatch):
    from irbox.commands import doctor

    monkeypatch.setitem(doctor.OPTIONAL, 'no_such_module', ('Something', 'pip install something'))
    main(['doctor'])
    text = capsys.readouterr().out
    for word in ('torch', 'cpu', 'threads', 'memory', 'disk', 'Gflop/s'):
        assert word in text
    assert 'missing: pip install something' in text


def test_kernels_of_mamba_are_installed_as_the_scan_says():
    from irbox.commands.doctor import OPTIONAL
    from irbox.layers.selective_scan.mamba_ssm_scan import RECIPE

    assert RECIPE.startswith(OPTIONAL['selective_scan_cuda'][1])


def test_completion_of_commands_and_options():
    done = subprocess.run(
        [sys.executable, '-m', 'irbox', 'completion', 'bash'],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert 'restore' in done.stdout and '--skip-existing' in done.stdout
    assert subprocess.run(['bash', '-n'], input=done.stdout, text=True, check=False).returncode == 0
