"""Plain addresses for programs: one that restores, one that says whether all is well."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, File, Form, Response, UploadFile
from fastapi.responses import FileResponse, PlainTextResponse
from starlette.background import BackgroundTask

import irbox
from irbox.page.desk import Desk
from irbox.page.turns import TooBusyError
from irbox.restore.batch.read_arguments import read_weights

UPLOAD = File(description='The picture')


def add_routes(app: FastAPI, desk: Desk) -> None:
    """Add ``POST /restore`` and ``GET /health``.

    ``/restore`` takes a form: ``file``, and if wanted ``model``, ``device``, ``tile``, ``strength``
    and ``task`` (``rain`` or ``rain=0.7``, several times). It answers with the file that ``irbox
    restore`` writes, or with a line of text: 400 says what is wrong with the request, 413 that the
    file is too large, 503 that too many wait.

    Args:
        app: That gets them.
        desk: That restores.
    """

    @app.get('/health')
    def health() -> dict[str, Any]:
        return {
            'status': 'ok',
            'version': irbox.__version__,
            'models': desk.shelf.names,
            'device': desk.shelf.device,
            'waiting': {
                device: max(count - 1, 0) for device, count in desk.turns.lengths().items()
            },
        }

    @app.post('/restore')
    def restore(
        file: Annotated[UploadFile, UPLOAD],
        model: Annotated[str, Form()] = '',
        device: Annotated[str, Form()] = 'auto',
        tile: Annotated[str, Form()] = 'auto',
        strength: Annotated[float, Form()] = 1.0,
        task: Annotated[list[str] | None, Form()] = None,
    ) -> Response:
        # A visitor of one request.
        session = f'route {uuid.uuid4()}'
        with desk.visitors.working(session) as visitor:
            name = Path(file.filename or '').name
            given = visitor.folder / 'given' / (name if name not in ('', '.', '..') else 'picture')
            try:
                given.parent.mkdir()
                with open(given, 'wb') as out:
                    shutil.copyfileobj(file.file, out)
                settings = desk.settings(tile, strength, read_weights(task))
                outcome = desk.restore(visitor, [given], settings, model, device, keep=False)[0]
            except (ValueError, OSError) as error:
                desk.visitors.leave(session)
                text = str(error).replace(str(given), given.name)
                return PlainTextResponse(f'{text}\n', 400)
            if outcome.status == 'failed':
                desk.visitors.leave(session)
                busy = outcome.reason.endswith(TooBusyError.REMEDY)
                return PlainTextResponse(f'{outcome.reason}\n', 503 if busy else 400)
        target = outcome.job.target
        # The files go when the answer is sent.
        gone = BackgroundTask(desk.visitors.leave, session)
        return FileResponse(target, filename=target.name, background=gone)
