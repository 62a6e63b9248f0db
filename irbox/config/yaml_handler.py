"""YAML as configs need it: no code in tags, no key twice."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml
from mmengine.fileio import register_handler
from mmengine.fileio.handlers import BaseFileHandler

_SafeLoader: Any = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
_SafeDumper: Any = getattr(yaml, 'CSafeDumper', yaml.SafeDumper)


# PyYAML's stubs leave half of a loader's methods without types, and not every build has the C one.
class UniqueKeyLoader(_SafeLoader):  # type: ignore[misc]
    """Plain YAML that refuses a key given twice, of which YAML would keep the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping, or say which key comes twice and where."""
        seen = set()
        for key_node, _ in node.value:
            # A merge key (`<<`) is meant to be overridden.
            if key_node.tag == 'tag:yaml.org,2002:merge':
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'the key {key!r} is given twice', key_node.start_mark
                )
            if isinstance(key, Hashable):
                seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


class YamlHandler(BaseFileHandler):  # type: ignore[misc]  # mmengine has no types
    """Reads and writes YAML for mmengine, in place of its own handler.

    mmengine's runs the code that tags such as ``!!python/object/apply`` ask for.
    """

    def load_from_fileobj(self, file: Any, **kwargs: Any) -> Any:
        """Read plain YAML."""
        return yaml.load(file, **({'Loader': UniqueKeyLoader} | kwargs))

    def dump_to_fileobj(self, obj: Any, file: Any, **kwargs: Any) -> None:
        """Write plain YAML."""
        yaml.dump(obj, file, **({'Dumper': _SafeDumper} | kwargs))

    def dump_to_str(self, obj: Any, **kwargs: Any) -> str:
        """Write plain YAML as text."""
        text: str = yaml.dump(obj, **({'Dumper': _SafeDumper} | kwargs))
        return text


def install() -> None:
    """Make mmengine read and write YAML this way."""
    register_handler(['yaml', 'yml'])(YamlHandler)
