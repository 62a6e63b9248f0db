"""A page, one file, with a slider between before and after for each image and method."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence

from PIL import Image
from torch import Tensor

Entry = tuple[str, Mapping[str, Tensor], Mapping[str, str]]
"""Title; name -> image (3, H, W) in 0 to 1, the one before first; name -> caption."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Before and after</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem;
  color: #202024; background: #fff; }}
h2 {{ font-size: 1.1rem; margin: 2rem 0 .5rem; }}
.row {{ display: flex; flex-wrap: wrap; gap: 1rem; }}
figure {{ margin: 0; }}
.pair {{ position: relative; display: inline-block; line-height: 0; }}
.pair img {{ display: block; max-width: 100%; }}
.pair .after {{ position: absolute; inset: 0; clip-path: inset(0 0 0 var(--cut, 50%)); }}
.pair .line {{ position: absolute; top: 0; bottom: 0; left: var(--cut, 50%); width: 2px;
  margin-left: -1px; background: #fff; box-shadow: 0 0 2px #000; }}
.pair input {{ position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0;
  cursor: ew-resize; }}
.pair:focus-within {{ outline: 2px solid #0072b2; }}
figcaption {{ font-size: .85rem; color: #55555c; }}
</style>
</head>
<body>
<h1>Before and after</h1>
<p>{note}. Drag over a picture, or use the arrow keys: left of the line is what stands first below
it, right of it the second.</p>
{sections}
<script>
const pictures = {pictures};
for (const image of document.querySelectorAll('img[data-of]')) {{
  image.src = 'data:image/png;base64,' + pictures[image.dataset.of];
}}
for (const slider of document.querySelectorAll('.pair input')) {{
  const move = () => slider.parentNode.style.setProperty('--cut', slider.value + '%');
  slider.addEventListener('input', move);
  move();
}}
</script>
</body>
</html>
"""


def slider_page(entries: Sequence[Entry], note: str) -> str:
    """Write the page: pictures are inside it, nothing is fetched.

    Args:
        entries: An image each, with what was made of it.
        note: What the captions' numbers are.
    """
    pictures: dict[str, str] = {}
    sections = []
    for number, (title, images, captions) in enumerate(entries):
        keys = {name: f'{number}.{place}' for place, name in enumerate(images)}
        pictures |= {keys[name]: _png(image) for name, image in images.items()}
        before, *others = images
        figures = ''.join(_pair(keys, captions, before, after) for after in others)
        sections.append(f'<h2>{html.escape(title)}</h2>\n<div class="row">{figures}</div>')
    return PAGE.format(
        note=html.escape(note), sections='\n'.join(sections), pictures=json.dumps(pictures)
    )


def _pair(keys: Mapping[str, str], captions: Mapping[str, str], before: str, after: str) -> str:
    first, second = (html.escape(captions[name]) for name in (before, after))
    label = html.escape(f'how much is {before}, the rest {after}')
    return (
        '<figure><div class="pair">'
        f'<img data-of="{keys[before]}" alt="{first}">'
        f'<img class="after" data-of="{keys[after]}" alt="{second}">'
        f'<div class="line"></div><input type="range" min="0" max="100" value="50" '
        f'aria-label="{label}"></div>'
        f'<figcaption>{first} | {second}</figcaption></figure>\n'
    )


def _png(image: Tensor) -> str:
    values = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(values).save(file, 'PNG', optimize=True)
    return base64.b64encode(file.getvalue()).decode('ascii')
