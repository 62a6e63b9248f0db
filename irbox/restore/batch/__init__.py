"""Many pictures: which file becomes which, the overlapped run, and what became of each."""
