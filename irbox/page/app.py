"""The web application: the page, the plain route, and what holds for every request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import gradio as gr
from fastapi import FastAPI

from irbox.page.desk import Desk
from irbox.page.examples import write_examples
from irbox.page.guard import Guard
from irbox.page.layout import CSS, THEME, build_page
from irbox.page.routes import add_routes

EVERY = 10.0
"""Seconds between two looks at what can be deleted."""


def build_app(desk: Desk) -> FastAPI:
    """Build the web application of a desk.

    Args:
        desk: That restores, and in whose folder the files of the page are.
    """

    @asynccontextmanager
    async def sweeping(app: FastAPI) -> AsyncIterator[None]:
        async def sweep() -> None:
            while True:
                await asyncio.sleep(EVERY)
                await asyncio.to_thread(desk.visitors.sweep)

        task = asyncio.create_task(sweep())
        try:
            yield
        finally:
            task.cancel()

    app = FastAPI(lifespan=sweeping, docs_url=None, redoc_url=None, openapi_url=None)
    add_routes(app, desk)
    examples = write_examples(desk.visitors.root / 'examples')
    gr.mount_gradio_app(
        app,
        build_page(desk, examples),
        path='/',
        allowed_paths=[str(desk.visitors.root / 'examples')],
        max_file_size=desk.limits.bytes,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=THEME,
        css=CSS,
    )
    app.add_middleware(Guard, limits=desk.limits)
    return app
