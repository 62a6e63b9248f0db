"""How the page looks, and which function answers which button."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from irbox.page.answers import ALONE, Answers
from irbox.page.api import add_api
from irbox.page.desk import Desk
from irbox.page.inside import SIDE
from irbox.page.messages import session_of
from irbox.pictures import EXTENSIONS

TITLE = 'irbox: restore photographs'
INTRODUCTION = """# Restore photographs
Drop one or several, or paste one. What belongs to a picture stays: format, size, depth, color
profile, metadata."""
CSS = """
footer {display: none !important}
/* A phone has one column: what is pressed comes before what is seldom changed. */
@media (max-width: 640px) {
  #asked > * {order: 1}
  #asked > #files, #asked > #examples, #asked > #buttons {order: 0}
}
"""
# On a phone the answer is below all that can be set: whoever asks for it is taken to it, and again
# when the page has grown by it.
TO_THE_ANSWER = """
() => {
  if (!matchMedia('(max-width: 640px)').matches) return;
  const show = () => document.querySelector('#slider').scrollIntoView({behavior: 'smooth'});
  show();
  const growth = new ResizeObserver(show);
  growth.observe(document.body);
  setTimeout(() => growth.disconnect(), 2000);
}
"""
# Pasting works wherever one is on the page: the picture goes the way of a chosen file.
ON_LOAD = """
() => {
  document.addEventListener('paste', event => {
    const files = [...event.clipboardData.files].filter(file => file.type.startsWith('image/'));
    const input = document.querySelector('#files input[type=file]');
    if (!files.length || !input) return;
    const given = new DataTransfer();
    files.forEach(file => given.items.add(file));
    input.files = given.files;
    input.dispatchEvent(new Event('change', {bubbles: true}));
  });
}
"""
FONTS = ('system-ui', 'sans-serif')
"""Of the visitor's system: none is fetched."""
THEME = gr.themes.Default(font=FONTS, font_mono=('ui-monospace', 'monospace'))


def build_page(desk: Desk, examples: Sequence[Path]) -> gr.Blocks:
    """Build the page; ``build_app`` serves it.

    Args:
        desk: That restores.
        examples: Pictures to try.
    """
    limits, shelf = desk.limits, desk.shelf
    minutes = limits.minutes
    every = max(int(minutes * 60 / 4), 1)
    page = gr.Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(every, max(int(minutes * 60), 1))
    )
    names = list(
        dict.fromkeys(word for one in shelf.names for word in shelf.get(one).card.degradations)
    )

    async def stay(request: gr.Request) -> None:
        await desk.presence.stay(session_of(request))

    async def leave(request: gr.Request) -> None:
        desk.presence.leave(session_of(request))

    with page:
        # First: the names of its addresses are then free.
        add_api(desk)
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column(scale=1, min_width=300, elem_id='asked'):
                files = gr.File(
                    label=f'Pictures, up to {limits.pixels / 1e6:g} megapixels each',
                    file_count='multiple',
                    file_types=sorted(EXTENSIONS),
                    height=140,
                    elem_id='files',
                )
                samples = gr.Dataset(
                    label='Examples',
                    components=[gr.Image(visible=False, render=False)],
                    samples=[[str(one)] for one in examples],
                    type='index',
                    visible=bool(examples),
                    elem_id='examples',
                )
                model = gr.Dropdown(shelf.names, value=shelf.names[0], label='Model')
                beside = gr.Dropdown(
                    [ALONE, *shelf.names],
                    value=ALONE,
                    label='Beside it',
                    visible=len(shelf.names) > 1,
                )
                with gr.Row():
                    device = gr.Dropdown(
                        ['auto', *shelf.devices],
                        value='auto',
                        label='Device',
                        info='auto: a GPU, if it has one',
                    )
                    tile = gr.Dropdown(
                        ['auto', 'none', '256', '512', '1024'],
                        value='auto',
                        label='Tiles',
                        info='auto: what memory holds',
                        allow_custom_value=True,
                    )
                strength = gr.Slider(0, 1, value=1, step=0.05, label='Strength', elem_id='strength')
                with gr.Accordion(
                    'What is wrong with it', open=False, visible=bool(names), elem_id='wrong'
                ):
                    steer = gr.Checkbox(
                        False, label='Say it, in place of what the model believes', elem_id='steer'
                    )
                    weights = [
                        gr.Slider(0, 1, value=0, step=0.01, label=name, interactive=True)
                        for name in names
                    ]
                with gr.Row(elem_id='buttons'):
                    narrow: dict[str, Any] = {'min_width': 120}  # beside each other on a phone
                    go = gr.Button('Restore', variant='primary', elem_id='restore', **narrow)
                    cancel = gr.Button('Cancel', variant='stop', elem_id='cancel', **narrow)
            with gr.Column(scale=2, min_width=320):
                picture = gr.Image(
                    label='Picture: click on it to restore a part first',
                    interactive=False,
                    visible=False,
                    height=260,
                    type='filepath',
                    format='png',
                    elem_id='picture',
                    buttons=[],
                )
                slider = gr.ImageSlider(
                    label='Before and after',
                    interactive=False,
                    type='filepath',
                    format='png',
                    max_height=900,
                    elem_id='slider',
                )
                status = gr.Markdown(elem_id='status')
                chooser = gr.Dropdown(label='Picture', visible=False, elem_id='chooser')
                pair = gr.ImageSlider(
                    label='Two models side by side',
                    interactive=False,
                    visible=False,
                    type='filepath',
                    format='png',
                    max_height=900,
                    elem_id='pair',
                )
                with gr.Row():
                    download = gr.DownloadButton(
                        'Download', visible=False, variant='primary', elem_id='download'
                    )
                    other = gr.DownloadButton('Download', visible=False, elem_id='other')
                    archive = gr.DownloadButton('All as one zip', visible=False, elem_id='zip')
                with gr.Row():
                    beliefs = gr.Label(
                        label='What the model believes is wrong', visible=False, elem_id='beliefs'
                    )
                    difference = gr.Image(
                        label='Difference, four times as large',
                        interactive=False,
                        visible=False,
                        type='filepath',
                        elem_id='difference',
                        buttons=['download', 'fullscreen'],
                    )
                with gr.Accordion('What works where', open=False, elem_id='inside'):
                    look = gr.Button('Look inside the network', elem_id='look')
                    with gr.Row():
                        place = gr.Dropdown(label='Place', visible=False)
                        expert = gr.Dropdown(label='Expert', visible=False)
                    overlay = gr.Image(
                        label=f'Of the picture at {SIDE} pixels or fewer a side',
                        interactive=False,
                        visible=False,
                        format='png',
                        elem_id='overlay',
                        buttons=[],
                    )
        parts: dict[str, Any] = {
            'files': files,
            'model': model,
            'beside': beside,
            'pair': pair,
            'other': other,
            'place': place,
            'expert': expert,
            'overlay': overlay,
            'device': device,
            'tile': tile,
            'strength': strength,
            'steer': steer,
            'picture': picture,
            'slider': slider,
            'status': status,
            'chooser': chooser,
            'download': download,
            'archive': archive,
            'beliefs': beliefs,
            'difference': difference,
        }
        answers = Answers(desk, parts, dict(zip(names, weights, strict=True)), examples)
        asked: set[Any] = {files, model, beside, device, tile, strength, steer, chooser, *weights}
        shown = [slider, status, chooser, download, archive, beliefs, difference, pair, other]
        maps = [place, expert, overlay]
        hidden: dict[str, Any] = {'api_visibility': 'private', 'concurrency_limit': None}
        samples.click(answers.example, samples, files, **hidden)
        files.change(answers.look, {files}, [picture, status], **hidden)
        go.click(None, js=TO_THE_ANSWER, api_visibility='private')
        restored = go.click(
            answers.restore, asked, shown, show_progress_on=[slider, status], **hidden
        )
        restored.success(None, js=TO_THE_ANSWER, api_visibility='private')
        cancel.click(answers.cancel, None, status, queue=False, api_visibility='private')
        chooser.input(answers.show, asked, shown, **hidden)
        part = picture.select(answers.preview, asked, [slider, status, beliefs], **hidden)
        # One event for all bars: of several that are moved at once, the last is answered last.
        anew = gr.on(
            [steer.input, *(weight.release for weight in weights)],
            answers.again,
            asked,
            [slider, status, beliefs],
            trigger_mode='always_last',
            **hidden,
        )
        looked = look.click(answers.inside.look, asked, maps, **hidden)
        # Behind what takes its time, too: moved meanwhile, the bar was not heard.
        for moved in (strength.release, *(one.success for one in (restored, part, anew, looked))):
            moved(
                answers.strength,
                asked,
                [slider, download, archive, pair, other],
                show_progress='hidden',
                **hidden,
            )
        place.input(answers.inside.turn, {place, expert}, maps, show_progress='hidden', **hidden)
        expert.input(answers.inside.turn, {place, expert}, maps, show_progress='hidden', **hidden)
        page.load(js=ON_LOAD)
        page.load(stay, None, None, show_progress='hidden', **hidden)
        page.unload(leave)
        page.unload(answers.leave)
    page.queue(default_concurrency_limit=None, api_open=False)
    return page
