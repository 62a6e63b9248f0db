"""What can be named in a config: every registered part, of irbox and of plug-ins."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import irbox
from irbox.config.plugins import load_plugins
from irbox.registry import PartKind, our_registries, part_kinds
from irbox.utils.plugin_imports import import_all_installed, part_origins


@dataclass(frozen=True)
class Part:
    """One line of the list."""

    kind: str
    name: str
    summary: str
    """First line of the docstring."""
    arguments: dict[str, str]
    """What a config may give -> its default as Python writes it; '' where it must be given."""
    file: str
    """Relative to the folder that holds irbox where it is inside it."""
    line: int
    plugin: str
    """The plug-in that brought it: its path, or the name of the installed one; '' for irbox."""


def list_parts(
    sources: Iterable[str | Path] = (), kinds: Collection[str] | None = None
) -> tuple[list[Part], list[str]]:
    """List every registered part.

    Args:
        sources: Plug-ins, or configs whose plug-ins are meant. Those that are installed are listed
            in any case.
        kinds: Of ``names_of_kinds``; all by default.

    Returns:
        The parts by kind, then by name, and what is wrong with the installed plug-ins that could
        not be imported.

    Raises:
        FileNotFoundError, ImportError, ValueError: A source does not exist, fails or is no config.
    """
    for source in sources:
        if _is_config(Path(source)):
            from irbox.config.load_config import load_config

            load_config(source, sections=())
        else:
            load_plugins([source])
    broken = import_all_installed(our_registries())
    origins = part_origins()
    listed = []
    for kind in part_kinds():
        if kind.plural and (kinds is None or kind.plural in kinds):
            kind.registry.import_from_location()
            parts = kind.registry.module_dict.items()
            for name, part in sorted(parts, key=lambda item: item[0].lower()):
                listed.append(_describe(kind, name, part, origins))
    return listed, broken


def names_of_kinds() -> list[str]:
    """List the kinds in the order of the list.

    mmengine's own parts, which configs can name too, are not in it.
    """
    return [kind.plural for kind in part_kinds() if kind.plural]


def _is_config(path: Path) -> bool:
    """Tell whether a file is a config, and no plug-in: it sets what only configs set."""
    if path.suffix != '.py':
        return path.suffix in ('.yaml', '.yml', '.json')
    if not path.is_file():
        return False
    try:
        body = ast.parse(path.read_text(encoding='utf-8')).body
    except SyntaxError:
        return False
    names = {
        target.id
        for node in body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return bool(names & {'_base_', 'model', 'plugins', 'train_dataloader'})


def _describe(kind: PartKind, name: str, part: Any, origins: dict[str, str]) -> Part:
    text = inspect.getdoc(part) if part.__doc__ else ''
    file = Path(inspect.getfile(part)).resolve()
    package = Path(irbox.__file__).resolve().parent
    plugin = '' if file.is_relative_to(package) else origins.get(name, str(file))
    root = package.parent
    return Part(
        kind=kind.plural,
        name=name,
        summary=(text or '').partition('\n')[0],
        arguments=_arguments(part, kind.injected),
        file=str(file.relative_to(root) if file.is_relative_to(root) else file),
        line=_line(part),
        plugin=plugin,
    )


def _line(part: Any) -> int:
    try:
        return inspect.getsourcelines(part)[1]
    except OSError:
        return 1  # a class that no `class` statement made


def _arguments(part: Any, injected: Collection[str]) -> dict[str, str]:
    if inspect.isclass(part) and part.__init__ is object.__init__:
        return {}
    return {
        (f'**{p.name}' if p.kind is p.VAR_KEYWORD else p.name): (
            '' if p.default is p.empty else repr(p.default)
        )
        for p in inspect.signature(part).parameters.values()
        if p.name not in injected and p.kind is not p.VAR_POSITIONAL
    }
