"""Image files as pixels: the only place that opens them. What can't be shown as it is meant is refused with the reason.

A file's content decides its format, not its name, and only the decoders of FORMATS are tried: Pillow has others, which
start programs (EPS runs Ghostscript) or are rarely used and rarely tested.
"""

from __future__ import annotations

import math
import stat
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy

from archc.limits import MAX_IMAGE_PIXELS, how_to_raise
from archc.text import first_line

if TYPE_CHECKING:
    from PIL.Image import Image, Transpose
    from PIL.ImageFile import ImageFile

Array = numpy.ndarray[Any, Any]

FORMATS: Final = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
"""The formats that archc reads, by Pillow's names, with the extensions that a folder of images may have."""

EXTENSIONS: Final = frozenset(extension for extensions in FORMATS.values() for extension in extensions)

BACKGROUNDS: Final = {"white": 255, "gray": 128, "black": 0}
"""The level of all channels under transparent pixels."""

_PART: Final = 2**20
"""Pixels that are scaled at a time."""

_TURNS: Final = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""The member of Pillow's Transpose that undoes an orientation of EXIF."""


class View(NamedTuple):
    """The part of an image that is wanted, and how large the whole must be for it.

    `least` is the height and width of the whole that the part needs at the least: a JPEG that is twice as large or more
    is decoded at a half, a quarter or an eighth of its size, which takes a fraction of the time. `box` gives top, left,
    height and width of the part from the height and width of the whole.
    """

    least: tuple[float, float]
    box: Callable[[int, int], tuple[int, int, int, int]]


class UnreadableImage(Exception):
    """A file that can't be used as an image; its text is the reason, without the path."""


def read_pixels(path: Path, channels: int, background: str = "white", view: View | None = None) -> Array:
    """The image of a file, or a view of it, turned as its EXIF data says: uint8 (height, width, 1 or 3 channels).

    16-bit grayscale is scaled to 8 bits, transparent pixels are blended with the background, and of several frames or
    pages the first is read. Raises UnreadableImage with the reason, whatever is wrong with the file.
    """
    try:
        # The image is let go before its pixels are copied.
        mode, least = "L" if channels == 1 else "RGB", view and view.least
        pixels = numpy.asarray(_part(_image(path, mode, BACKGROUNDS[background], least), view))
        return pixels.reshape(*pixels.shape[:2], channels).copy()
    except UnreadableImage:
        raise
    except Exception as error:  # decoders raise anything on damaged files
        raise UnreadableImage(_reason(error)) from None


def _part(image: Image, view: View | None) -> Image:
    if view is None:
        return image
    top, left, height, width = view.box(image.height, image.width)
    whole = (height, width) == (image.height, image.width)
    return image if whole else image.crop((left, top, left + width, top + height))


def _image(path: Path, mode: str, background: int, least: tuple[float, float] | None = None) -> Image:
    """The image that a file shows, in mode L or RGB."""
    from PIL import Image

    kind = path.stat().st_mode
    if not stat.S_ISREG(kind):
        raise UnreadableImage("it is a folder" if stat.S_ISDIR(kind) else "it is not a regular file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about sizes and metadata: what matters here is checked here
        with Image.open(path, formats=tuple(FORMATS)) as file:
            image, turn = _meant(file, background, least)
        del file  # a large image takes hundreds of megabytes, so at most two copies exist at a time
        image = image if image.mode == mode else image.convert(mode)
        return image if turn is None else image.transpose(turn)


def _meant(file: ImageFile, background: int, least: tuple[float, float] | None) -> tuple[Image, Transpose | None]:
    """The image that a file shows, opaque, of 8 bits a channel, and how to turn it."""
    from PIL.Image import Transpose

    if file.width * file.height > MAX_IMAGE_PIXELS:
        raise UnreadableImage(_too_large(f"it has {file.width:,}×{file.height:,} pixels"))
    raw = _raw_mode(file)
    if least is not None and file.format == "JPEG":
        height, width = least if _orientation(file) < 5 else least[::-1]
        file.draft(None, (math.ceil(width), math.ceil(height)))
    file.load()  # which turns a TIFF itself
    orientation = _orientation(file)
    deep = _deep_grayscale(file, raw)
    if file.mode in ("I", "F", "LAB") and deep is None:
        kind = {"I": "32-bit or signed integers", "F": "floating-point numbers", "LAB": "Lab colors"}[file.mode]
        what = f"its pixels are {kind}, which do not define black and white"
        raise UnreadableImage(what if file.mode != "LAB" else "its pixels are Lab colors")
    image = file if deep is None else deep
    if image.has_transparency_data:
        image = _opaque(_with_alpha(image, raw), background)
    return image, Transpose(_TURNS[orientation]) if orientation in _TURNS else None


def _raw_mode(file: ImageFile) -> str:
    """The storage format of the pixels, such as `L;4`, in the names of Pillow's decoders."""
    arguments: Any = file.tile[0].args if file.tile else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _orientation(file: ImageFile) -> int:
    """The orientation of EXIF, 1 to 8. Other entries are not read: damage there does no harm to the pixels."""
    from PIL.ExifTags import Base

    try:
        found = file.getexif().get(Base.Orientation, 1)
    except Exception:
        raise UnreadableImage("its EXIF data is damaged, so its orientation is unknown") from None
    return found if isinstance(found, int) else 1


def _deep_grayscale(file: ImageFile, raw: str) -> Image | None:
    """Grayscale of more than 8 bits at 8 bits, transparent as declared; None if the image is something else."""
    from PIL import Image

    top = 65535
    inverted = False
    if file.format == "TIFF":
        tags = file.tag_v2  # type: ignore[attr-defined]
        top = 4095 if raw == "I;12" else 65535
        inverted = tags.get(262) == 0  # PhotometricInterpretation: white is zero
    if not (file.mode.startswith("I;16") or (file.mode == "I" and file.format == "PPM")):
        return None
    deep = numpy.asarray(file)
    levels = numpy.empty(deep.shape, numpy.uint8)
    for start in range(0, deep.size, _PART):
        part = deep.reshape(-1)[start : start + _PART].astype(numpy.uint32)
        scaled = (part * 255 + top // 2) // top
        levels.reshape(-1)[start : start + _PART] = 255 - scaled if inverted else scaled
    if "transparency" not in file.info:
        return Image.fromarray(levels)
    shown = deep != file.info["transparency"]
    del deep
    level = Image.fromarray(levels)
    return Image.merge("RGBA", [level, level, level, Image.fromarray(shown.view(numpy.uint8) * numpy.uint8(255))])


def _with_alpha(image: Image, raw: str) -> Image:
    """The image in mode RGBA."""
    transparent = image.info.get("transparency")
    if image.mode == "RGB" and ";16" in raw and transparent is not None:
        raise UnreadableImage("one of its 16-bit colors is transparent; save it with an alpha channel")
    if image.mode in ("1", "L") and transparent is not None:
        # PNG counts in the file's own levels, Pillow in 0 … 255 (of 1 bit, before 12.0, as PNG).
        scale = {"L;2": 85, "L;4": 17}.get(raw, 1)
        image.info["transparency"] = min(255, transparent * (255 if image.mode == "1" else scale))
    return image if image.mode == "RGBA" else image.convert("RGBA")


def _opaque(image: Image, background: int) -> Image:
    """Put an RGBA image over the background, in place. Refused if nothing of it is left to see."""
    from PIL import ImageChops

    alpha = image.getchannel("A")
    least, most = alpha.getextrema()
    if most == 0:
        raise UnreadableImage("all of it is transparent")
    image.paste((background,) * 3, mask=ImageChops.invert(alpha))
    if least != most and image.getextrema()[:3] == ((background, background),) * 3:
        own = next(name for name, level in BACKGROUNDS.items() if level == background)
        others = " or ".join(name for name in BACKGROUNDS if name != own)
        raise UnreadableImage(
            f"it shows {own} on a transparent background; choose another color with --background {others}"
        )
    return image


def _reason(error: Exception) -> str:
    """The reason why Pillow can't read a file, in a few words."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return f"it is damaged or in another format; archc reads {', '.join(FORMATS)}"
    if isinstance(error, Image.DecompressionBombError):
        return _too_large("it is too large")
    if isinstance(error, MemoryError):
        return "it needs more memory than is available"
    return first_line(error).lower()


def _too_large(what: str) -> str:
    return f"{what}, at most {MAX_IMAGE_PIXELS:,} are read; {how_to_raise('MAX_IMAGE_PIXELS')}"
