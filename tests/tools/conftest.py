import pytest
import torch


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Start a test in an empty folder outside the repository, on one thread."""
    folder = tmp_path / 'cwd'
    folder.mkdir()
    monkeypatch.chdir(folder)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield folder
    torch.set_num_threads(threads)
