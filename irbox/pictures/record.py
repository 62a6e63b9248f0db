"""The record of how a picture was made, in its XMP."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO
from xml.sax.saxutils import escape

from irbox.pictures import xmp
from irbox.pictures.open_source import open_source
from irbox.pictures.read_metadata import find_xmp

NAMESPACE = 'urn:irbox:record:1#'
_KEY = re.compile(r'[A-Za-z_][A-Za-z0-9_.-]*')


def add_record(packet: bytes | None, record: Mapping[str, Any]) -> bytes:
    """Write a record into an XMP packet, in the place of an earlier record.

    Args:
        packet: The packet to add to, or None for a new one.
        record: What to say: names to values that JSON can hold.

    Raises:
        ValueError: A name is no XML name, a value is nothing that JSON holds, or the packet cannot
            be parsed.
    """
    lines = []
    for key, value in record.items():
        if not _KEY.fullmatch(key):
            raise ValueError(
                f'The record has the name {key!r}, which XMP cannot hold. '
                'Use letters, digits, "_", "-" and ".", and begin with a letter.'
            )
        lines.append(f'  <irbox:{key}>{escape(_to_text(key, value))}</irbox:{key}>\n')
    description = (
        f' <rdf:Description xmlns:rdf="{xmp.RDF}" rdf:about="" xmlns:irbox="{NAMESPACE}">\n'
        f'{"".join(lines)} </rdf:Description>\n'
    )
    return xmp.add_description(None if packet is None else _without(packet), description)


def read_record(source: Path | str | bytes | BinaryIO) -> dict[str, Any] | None:
    """Read the record that ``write_picture`` wrote into a picture.

    Args:
        source: The picture; it is not decoded.

    Returns:
        The record, or None where the picture has none.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no picture.
    """
    opened = open_source(source)
    packet = find_xmp(opened)
    return None if packet is None else record_in(packet)


def record_in(packet: bytes) -> dict[str, Any] | None:
    """Return the record of an XMP packet, or None where it has none or cannot be parsed."""
    try:
        root = xmp.parse_packet(packet)
    except ValueError:
        return None
    mark = f'{{{NAMESPACE}}}'
    found = {
        one.tag.removeprefix(mark): _from_text(one.text or '')
        for one in root.iter()
        if one.tag.startswith(mark)
    }
    return found or None


def _without(packet: bytes) -> bytes:
    """Take out the description that ``add_record`` wrote before."""
    pattern = (
        r'\s*<rdf:Description\b[^>]*xmlns:irbox="' + re.escape(NAMESPACE) + r'"[^>]*>'
        r'.*?</rdf:Description>\n?'
    )
    return re.sub(pattern.encode(), b'', packet, flags=re.DOTALL)


def _to_text(key: str, value: Any) -> str:
    # Text that JSON would read as something else is quoted, so that every value comes back equal.
    if isinstance(value, str) and _from_text(value) == value:
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError as error:
        raise ValueError(
            f'The record has {key}={value!r}, which is neither text, number, list nor mapping: '
            f'{error}. Turn it into text.'
        ) from error


def _from_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
