"""What `make docs` adds to the documents: README and its kin as pages, and a page for each room.

mkdocs knows the folder ``docs/`` alone. Links that leave it are checked against the tree and shown
as text.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tools'))
from house import OUTSIDE, read_floors  # noqa: E402

PAGES = {
    'README.md': 'index.md',
    'CONTRIBUTING.md': 'contributing.md',
    'CHANGELOG.md': 'changelog.md',
}
LINK = re.compile(r'(!?)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)')


def on_config(config: Any) -> Any:
    """Put a page for each room under API."""
    rooms = ['irbox', *(room for room in read_floors() if room not in OUTSIDE)]
    config.nav[-1]['API'] = [{room: f'api/{room}.md'} for room in rooms]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are no files of ``docs/``."""
    for source, page in PAGES.items():
        text = LINK.sub(_from_root, (ROOT / source).read_text(encoding='utf-8'))
        files.append(File.generated(config, page, content=text))
    for entry in config.nav[-1]['API']:
        for room, page in entry.items():
            files.append(File.generated(config, page, content=_room(room)))
    return files


def _room(room: str) -> str:
    """Write the page of a room: what its folder says of itself, then each module."""
    folder = ROOT / 'irbox' / room
    if not folder.is_dir():
        name = 'irbox' if room == 'irbox' else f'irbox.{room}'
        return f'# `{name}`\n\n::: {name}\n'
    text = f'# `irbox.{room}`\n\n::: irbox.{room}\n    options: {{members: false}}\n'
    for path in sorted(folder.rglob('*.py')):
        if path.name != '__init__.py':
            name = '.'.join(path.relative_to(ROOT).with_suffix('').parts)
            text += f'\n## `{name.removeprefix(f"irbox.{room}.")}`\n\n::: {name}\n'
    return text


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Show links to files outside ``docs/`` as text, if the files are there."""

    def answer(link: re.Match[str]) -> str:
        _, text, target, _ = link.groups()
        if not target.startswith('../'):
            return link[0]
        if not (ROOT / target.removeprefix('../')).exists():
            raise PluginError(f'{page.file.src_uri}: the link {target} leads nowhere.')
        return text

    return LINK.sub(answer, markdown)


def _from_root(link: re.Match[str]) -> str:
    """Turn a link that starts at the root of the tree into one that starts in ``docs/``."""
    mark, text, target, anchor = link.groups()
    if '://' in target:
        return link[0]
    path = PurePosixPath(target)
    if target in PAGES:
        target = PAGES[target]
    else:
        target = str(path.relative_to('docs')) if path.parts[0] == 'docs' else f'../{path}'
    return f'{mark}[{text}]({target}{anchor or ""})'
