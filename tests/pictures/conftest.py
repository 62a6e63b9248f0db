"""A second reader for metadata: exiftool."""

import json
import shutil
import subprocess

import pytest


@pytest.fixture
def exiftool():
    """Call exiftool: a file and options give its tags, as ``{'IFD0:Make': ...}``."""
    if shutil.which('exiftool') is None:
        pytest.skip('needs exiftool (apt-get install libimage-exiftool-perl)')

    def tags(path, *options):
        command = ['exiftool', '-j', '-G1', '-n', *options, str(path)]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)[0]

    return tags


@pytest.fixture
def set_tags(exiftool):
    """Write tags into a file by exiftool."""

    def write(path, *tags):
        command = ['exiftool', '-q', '-n', '-overwrite_original', *tags, str(path)]
        subprocess.run(command, check=True, capture_output=True)

    return write
