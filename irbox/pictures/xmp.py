"""Changing single properties of an XMP packet, and leaving every other byte of it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

TIFF = 'http://ns.adobe.com/tiff/1.0/'
EXIF = 'http://ns.adobe.com/exif/1.0/'
XMP = 'http://ns.adobe.com/xap/1.0/'
RDF = 'http://www.w3.org/1999/02/22-rdf-syntax-ns#'

_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">\n'
    '</rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
)


def parse_packet(packet: bytes) -> ElementTree.Element:
    """Parse an XMP packet.

    Raises:
        ValueError: It is no well-formed XML, or declares entities, which no XMP packet does.
    """
    if b'<!' in packet.replace(b'<!--', b'').replace(b'<![CDATA[', b''):
        raise ValueError('an XMP packet with declarations')
    try:
        return ElementTree.fromstring(packet.decode('utf-8').strip('\ufeff\0 \r\n\t'))
    except (ElementTree.ParseError, UnicodeDecodeError) as error:
        raise ValueError(f'an XMP packet that cannot be parsed ({error})') from error


def orientation(packet: bytes) -> int | None:
    """Return how the stored picture lies, 1 to 8, or None where the packet does not say."""
    text = packet.decode('utf-8', 'replace')
    for prefix in _prefixes(text, TIFF):
        found = re.search(rf"""\b{prefix}:Orientation\s*(?:=\s*["']|>)\s*([1-8])\b""", text)
        if found:
            return int(found[1])
    return None


def make_upright(packet: bytes, width: int, height: int) -> bytes:
    """Set orientation and sizes of a packet to those of the upright picture; drop thumbnails.

    Raises:
        ValueError: The packet cannot be parsed.
    """
    parse_packet(packet)
    text = packet.decode('utf-8')
    for space, name, value in (
        (TIFF, 'Orientation', 1),
        (TIFF, 'ImageWidth', width),
        (TIFF, 'ImageLength', height),
        (EXIF, 'PixelXDimension', width),
        (EXIF, 'PixelYDimension', height),
    ):
        text = _set(text, space, name, str(value))
    for prefix in _prefixes(text, XMP):
        text = _remove(text, f'{prefix}:Thumbnails')
    return text.encode('utf-8')


def remove_gps(packet: bytes) -> bytes:
    """Take the position out of a packet.

    Raises:
        ValueError: The packet cannot be parsed.
    """
    parse_packet(packet)
    text = packet.decode('utf-8')
    for prefix in _prefixes(text, EXIF):
        text = _remove(text, rf'{prefix}:GPS\w+')
    return text.encode('utf-8')


def add_description(packet: bytes | None, description: str) -> bytes:
    """Add an ``rdf:Description`` to a packet, or to a new one.

    Raises:
        ValueError: The packet cannot be parsed, or holds no RDF.
    """
    text = _EMPTY
    if packet is not None:
        parse_packet(packet)
        text = packet.decode('utf-8')
    for prefix in _prefixes(text, RDF):
        text = re.sub(rf'<{prefix}:RDF\b([^>]*)/>', rf'<{prefix}:RDF\1></{prefix}:RDF>', text)
        place = text.rfind(f'</{prefix}:RDF')
        if place >= 0:
            text = f'{text[:place]}{description}{text[place:]}'
            # The padding is there for such additions, and a JPEG file limits the size.
            text = re.sub(r'\s+(<\?xpacket\s+end)', r'\n\1', text)
            return text.strip('\0').encode('utf-8')
    raise ValueError('an XMP packet without RDF')


def _prefixes(text: str, space: str) -> list[str]:
    found = re.findall(rf"""xmlns:([\w.-]+)\s*=\s*["']{re.escape(space)}["']""", text)
    return [re.escape(prefix) for prefix in dict.fromkeys(found)]


def _set(text: str, space: str, name: str, value: str) -> str:
    for prefix in _prefixes(text, space):
        tag = f'{prefix}:{name}'
        text = re.sub(rf"""(\b{tag}\s*=\s*)(["']).*?\2""", rf'\g<1>\g<2>{value}\g<2>', text)
        text = re.sub(rf'(<{tag}\s*>)[^<]*(</{tag}\s*>)', rf'\g<1>{value}\g<2>', text)
    return text


def _remove(text: str, tag: str) -> str:
    text = re.sub(rf"""\s*\b{tag}\s*=\s*(?:"[^"]*"|'[^']*')""", '', text)
    text = re.sub(rf'\s*<({tag})\b[^>]*/>', '', text)
    return re.sub(rf'\s*<({tag})\b[^>]*>.*?</\1\s*>', '', text, flags=re.DOTALL)
