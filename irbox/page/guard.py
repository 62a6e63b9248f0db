"""What holds for every request: no other host is asked, and uploads have an end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from irbox.page.limits import Limits

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; frame-ancestors 'self'"
)
"""Content security policy: a browser asks no other host, whatever a script says."""
ENVELOPE = 2**16
"""Bytes of a request beside the file in it."""
LONGEST = 2**20
"""Bytes of a request without a file."""
ADDRESSES = ('http:', 'https:', '//', 'ftp:')
API = '/gradio_api/'
# Where Gradio would fetch an address on behalf of a visitor.
FETCHING = ('file=http', 'file=//', 'file/http', 'proxy=', 'deep_link')
UPLOADS = ('/restore', f'{API}upload')


class Guard:
    """Refuses what would fetch from another host, and uploads that are too large.

    Args:
        app: What is guarded.
        limits: Of the page.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope['type'] != 'http':
            await self.app(scope, receive, send)
            return
        path: str = scope['path']
        refusal = self._refusal(scope, path)
        asks = scope['method'] == 'POST' and path.startswith(API)
        if refusal is None and asks and not path.startswith(UPLOADS):
            body = await _read(receive, LONGEST)
            refusal = _judge(body)
            receive = _again(body or b'', receive)
        if refusal is not None:
            code, text = refusal
            await PlainTextResponse(f'{text}\n', code)(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message['type'] == 'http.response.start':
                message.setdefault('headers', [])
                message['headers'] += [
                    (b'content-security-policy', POLICY.encode()),
                    (b'referrer-policy', b'no-referrer'),
                    (b'x-content-type-options', b'nosniff'),
                ]
            await send(message)

        await self.app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, path: str) -> tuple[int, str] | None:
        if path.startswith(API) and path.removeprefix(API).startswith(FETCHING):
            return 403, 'This page asks no other host.'
        if scope['method'] != 'POST' or path != '/restore':
            return None
        length = dict(scope['headers']).get(b'content-length')
        if length is None:
            return 411, 'Say how large the file is (Content-Length).'
        if int(length) > self.limits.bytes + ENVELOPE:
            return 413, self.limits.too_many_bytes('The file', int(length))
        return None


async def _read(receive: Receive, most: int) -> bytes | None:
    """The body of a request, or None where it is longer."""
    parts, length = [], 0
    while True:
        message = await receive()
        part: bytes = message.get('body', b'')
        parts.append(part)
        length += len(part)
        if length > most:
            return None
        if not message.get('more_body'):
            return b''.join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read once more."""
    told = False

    async def give() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {'type': 'http.request', 'body': body, 'more_body': False}

    return give


def _judge(body: bytes | None) -> tuple[int, str] | None:
    if body is None:
        return 413, 'This request is too long.'
    try:
        content = json.loads(body or b'null')
    except ValueError:
        return None
    for value in _addresses(content):
        if value.startswith(ADDRESSES):
            return 403, 'This page asks no other host: upload the file itself.'
    return None


def _addresses(content: Any) -> Iterator[str]:
    """Every path of a file that a request names."""
    waiting = [content]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get('path'), str):
                yield one['path'].strip().lower()
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
