"""The misclassified images of a network as an HTML page."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path

from torch import Tensor

from archc.training.evaluation import Evaluation, Mistake

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }}
body {{ margin: 2rem auto; max-width: 70rem; padding: 0 1rem }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 1.5rem 1rem }}
figure {{ margin: 0 }}
img {{ width: 100%; image-rendering: {rendering}; border-radius: 4px }}
small {{ overflow-wrap: anywhere; opacity: .7 }}
</style>
<h1>{title}</h1>
<p>{summary}</p>
<main>
{figures}</main>
</html>
"""


def mistakes_page(evaluation: Evaluation, pictures: list[tuple[Mistake, Tensor, Path | None]], model: str) -> str:
    """A self-contained page.

    `pictures` are mistakes with their images, uint8 (channels, height, width), and their files if they have any.
    """
    wrong = int((evaluation.score.images * (1 - evaluation.score.accuracy)) + 0.5)
    summary = (
        f"{len(pictures):,} of {wrong:,} mistakes in {evaluation.score.images:,} images, highest probability first."
    )
    small = all(image.shape[2] <= 64 for _, image, _ in pictures)
    return _PAGE.format(
        title=escape(f"Mistakes of {model} on {evaluation.data}"),
        summary=escape(summary),
        rendering="pixelated" if small else "auto",
        figures="".join(_figure(*picture) for picture in pictures),
    )


def _figure(mistake: Mistake, image: Tensor, path: Path | None) -> str:
    caption = f"{escape(mistake.label)} taken for <b>{escape(mistake.predicted)}</b>, {mistake.probability:.1%}"
    where = f"<br><small>{escape(str(path))}</small>" if path is not None else ""
    source = f"data:image/png;base64,{base64.b64encode(_png(image)).decode()}"
    alternative = escape(f"an image of {mistake.label}", quote=True)
    return f'<figure><img alt="{alternative}" src="{source}"><figcaption>{caption}{where}</figcaption></figure>\n'


def _png(image: Tensor) -> bytes:
    from PIL import Image

    pixels = image.permute(1, 2, 0).contiguous().numpy()
    if pixels.shape[2] not in (1, 3):
        pixels = pixels[:, :, :1]
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()
