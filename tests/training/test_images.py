"""Image files as pixels: every mode, format and bit depth against a reference, and what is refused."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image
from shell import Shell

import archc
from archc.training.data.decode import BACKGROUNDS, FORMATS, UnreadableImage, read_pixels

Array = numpy.ndarray[Any, Any]
SIDE = 12


def reference(color: Array, alpha: Array | None, background: int) -> Array:
    """What levels in 0 … 1 (height, width, 1 or 3) with an alpha in 0 … 1 look like: uint8 (height, width, 3)."""
    seen = color if alpha is None else color * alpha + background / 255 * (1 - alpha)
    return numpy.broadcast_to(numpy.round(seen * 255), (*color.shape[:2], 3)).astype(numpy.int16)


def assert_shows(path: Path, expected: Array, background: str = "white", tolerance: int = 1) -> None:
    found = read_pixels(path, 3, background).astype(numpy.int16)
    assert found.shape == expected.shape
    assert numpy.abs(found - expected).max() <= tolerance


def random_samples(bits: int, channels: int, seed: int) -> Array:
    """Whole numbers of so many bits that reach from the lowest to the highest: (SIDE, SIDE, channels)."""
    samples = numpy.random.default_rng(seed).integers(0, 2**bits, (SIDE, SIDE, channels))
    samples[0, 0], samples[0, 1] = 0, 2**bits - 1
    return samples


def packed(samples: Array, bits: int, order: str) -> bytes:
    """Rows of samples as bits, each row padded to whole bytes."""
    rows = samples.reshape(samples.shape[0], -1)
    if bits == 16:
        return rows.astype(f"{order}u2").tobytes()
    places = numpy.arange(bits - 1, -1, -1)
    return numpy.packbits((rows[..., None] >> places & 1).reshape(len(rows), -1).astype(numpy.uint8), axis=1).tobytes()


def write_png(path: Path, samples: Array, bits: int, kind: int, extra: dict[bytes, bytes]) -> None:
    """A PNG from its specification: `kind` is its color type, `extra` are chunks."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = samples.shape[:2]
    rows = packed(samples, bits, ">")
    length = len(rows) // height
    data = b"".join(b"\0" + rows[at : at + length] for at in range(0, len(rows), length))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)), *extra.items()]
    chunks += [(b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks))


PNG_KINDS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
PNGS = [(kind, bits) for kind, depths in PNG_KINDS.items() for bits in depths]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("transparent", [False, True], ids=["", "tRNS"])
@pytest.mark.parametrize(("kind", "bits"), PNGS)
def test_png_of_every_kind(kind: int, bits: int, transparent: bool, background: str, tmp_path: Path) -> None:
    samples = random_samples(bits, CHANNELS[kind], kind * 16 + bits)
    top = 2**bits - 1
    extra: dict[bytes, bytes] = {}
    alpha: Array | None = None
    if kind == 3:
        palette = numpy.random.default_rng(bits).integers(0, 256, (2**bits, 3))
        palette[0], palette[-1] = 0, 255
        extra[b"PLTE"] = palette.astype(numpy.uint8).tobytes()
        color = palette[samples[..., 0]] / 255
        if transparent:
            alphas = numpy.random.default_rng(bits + 1).integers(0, 256, 2**bits)
            extra[b"tRNS"] = alphas.astype(numpy.uint8).tobytes()
            alpha = alphas[samples] / 255
    else:
        color = samples[..., : 3 if kind in (2, 6) else 1] / top
        if kind in (4, 6):
            alpha = samples[..., -1:] / top
        elif transparent:
            chosen = samples[1, 1]
            extra[b"tRNS"] = b"".join(struct.pack(">H", level) for level in chosen)
            alpha = 1.0 - (samples == chosen).all(2, keepdims=True)
    write_png(tmp_path / "x.png", samples, bits, kind, extra)
    if (kind, bits, transparent) == (2, 16, True):
        with pytest.raises(UnreadableImage, match="save it with an alpha channel"):
            read_pixels(tmp_path / "x.png", 3, background)
    else:
        expected = reference(color, alpha, BACKGROUNDS[background])
        if (expected == BACKGROUNDS[background]).all():  # two colors, of which one is transparent
            with pytest.raises(UnreadableImage, match=f"it shows {background} on a transparent background"):
                read_pixels(tmp_path / "x.png", 3, background)
        else:
            # Of 16 bits, Pillow keeps the upper 8 of color and of alpha.
            assert_shows(tmp_path / "x.png", expected, background, 2 if bits == 16 and alpha is not None else 1)


def write_tiff(path: Path, samples: Array, bits: int, tags: dict[int, int | tuple[int, ...]], order: str) -> None:
    """An uncompressed TIFF from its specification, with short tags in addition to those of its size."""
    height, width, channels = samples.shape
    data = samples.tobytes() if samples.dtype.kind == "f" else packed(samples, bits, order)
    fields = {256: width, 257: height, 258: (bits,) * channels, 259: 1, 277: channels, 278: height, 279: len(data)}
    fields |= tags
    fields[273] = 8  # where the pixels are
    entries, late = b"", b""
    start = 8 + len(data) + 2 + 12 * len(fields) + 4
    for tag, value in sorted(fields.items()):
        values = value if isinstance(value, tuple) else (value,)
        content = struct.pack(f"{order}{len(values)}H", *values)
        if len(content) > 4:
            place = struct.pack(f"{order}I", start + len(late))
            late += content
        else:
            place = content.ljust(4, b"\0")
        entries += struct.pack(f"{order}HHI", tag, 3, len(values)) + place
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8 + len(data))
    path.write_bytes(head + data + struct.pack(f"{order}H", len(fields)) + entries + bytes(4) + late)


# Photometric interpretation, bits, samples, what the samples after the colors are, formats of the samples.
TIFFS: list[tuple[int, int, int, int | None, int]] = [
    *((photometric, bits, 1, None, 1) for photometric in (0, 1) for bits in (1, 2, 4, 8, 16)),
    (1, 12, 1, None, 1),
    *((2, bits, 3, None, 1) for bits in (8, 16)),
    *((2, bits, 4, extra, 1) for bits in (8, 16) for extra in (0, 2)),
    (1, 8, 2, 2, 1),
    (2, 8, 4, 1, 1),
    *((5, bits, 4, None, 1) for bits in (8, 16)),
    (3, 8, 1, None, 1),
    *((1, bits, 1, None, 2) for bits in (16, 32)),
    (1, 32, 1, None, 1),
    (1, 32, 1, None, 3),
    (8, 8, 3, None, 1),
]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("photometric", "bits", "channels", "extra", "form"), TIFFS)
def test_tiff_of_every_kind(
    photometric: int, bits: int, channels: int, extra: int | None, form: int, order: str, tmp_path: Path
) -> None:
    """Read right, or refused: never other levels than the file's own."""
    samples = random_samples(min(bits, 16), channels, photometric * 64 + bits)
    tags: dict[int, int | tuple[int, ...]] = {262: photometric, 339: (form,) * channels}
    if extra is not None:
        tags[338] = extra
    top = 2**bits - 1
    alpha = samples[..., -1:] / top if extra in (1, 2) else None
    if extra == 1:  # colors that are multiplied by alpha already
        samples[..., :3] = samples[..., :3] * samples[..., 3:] // top
    color = samples[..., : channels - (extra is not None)] / top
    if alpha is not None and extra == 1:
        color = color / numpy.maximum(alpha, 1 / top)
    if photometric == 0:
        color = 1 - color
    if photometric == 5:
        color = (1 - color[..., :3]) * (1 - color[..., 3:])
    if photometric == 3:
        palette = numpy.random.default_rng(0).integers(0, 256, (3, 256))
        tags[320] = tuple((palette * 257).flatten().tolist())
        color = palette.T[samples[..., 0]] / 255
    path = tmp_path / "x.tif"
    stored: Array = samples
    if bits == 32:
        kind = "f" if form == 3 else "i" if form == 2 else "u"
        stored = numpy.frombuffer(samples.astype(f"{order}{kind}4").tobytes(), "f4").reshape(samples.shape)
    write_tiff(path, stored, bits, tags, order)
    if form != 1 or bits == 32 or photometric == 8:
        with pytest.raises(UnreadableImage):
            read_pixels(path, 3)
        return
    try:
        assert_shows(
            path, reference(color, alpha, 255), tolerance=2 if photometric == 5 or (bits, extra) == (16, 2) else 1
        )
    except UnreadableImage as refused:  # Pillow has no decoder for big-endian images of 12 and some of 16 bits
        assert (bits, order) in ((12, ">"), (16, ">")) and "another format" in str(refused)  # noqa: PT017, PT018


PORTABLE = [(bits, plain, kind) for bits in (1, 2, 5, 8, 12, 16) for plain in (False, True) for kind in ("gray", "RGB")]


@pytest.mark.parametrize(("bits", "plain", "kind"), PORTABLE)
def test_portable_maps_of_every_depth(bits: int, plain: bool, kind: str, tmp_path: Path) -> None:
    samples = random_samples(bits, 1 if kind == "gray" else 3, bits)
    top = 2**bits - 1
    number = {"gray": 2, "RGB": 3}[kind] + (0 if plain else 3)
    head = f"P{number} {SIDE} {SIDE} {top}\n".encode()
    raw = samples.astype(">u2" if bits > 8 else "u1").tobytes()
    path = tmp_path / "x.pgm"
    path.write_bytes(head + (" ".join(map(str, samples.flatten().tolist())).encode() if plain else raw))
    assert_shows(path, reference(samples / top, None, 255))


def images() -> Iterator[tuple[str, Image.Image]]:
    """An image in each of Pillow's modes."""
    for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB"):
        base = Image.fromarray(random_samples(8, 4, 7).astype(numpy.uint8))
        base.putalpha(base.getchannel("A").point(lambda level: max(level, 40)))
        if mode == "HSV":
            yield mode, base.convert("RGB").convert("HSV")
        elif mode == "LAB":
            yield mode, Image.frombytes("LAB", base.size, base.convert("RGB").tobytes())
        elif mode in ("La", "PA"):
            yield mode, base.convert("LA").convert(mode)
        elif mode in ("L", "LA", "RGBa", "RGBA"):
            yield mode, base.convert(mode)
        else:
            yield mode, base.convert("RGB").convert(mode)
    deep = random_samples(16, 1, 8)[..., 0]
    yield "I;16", Image.fromarray(deep.astype(numpy.uint16))
    yield "I", Image.fromarray(deep.astype(numpy.int32))
    yield "F", Image.fromarray((deep / 65535).astype(numpy.float32))


MODES = dict(images())
KEPT = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("1", "L", "RGB", "CMYK", "YCbCr"),
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("1", "L", "P"),
    "PPM": ("1", "L", "RGB", "I", "I;16"),
    "TIFF": ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"),
    "WEBP": ("L", "P", "RGB", "LA", "RGBA"),
}
"""The modes whose pixels Pillow's writer of a format keeps."""


def shown(image: Image.Image) -> Array:
    """What an image shows over white, without the code under test."""
    if image.mode in ("I", "I;16"):
        return reference(numpy.asarray(image)[..., None] / 65535, None, 255)
    image = image.convert("LA") if image.mode == "La" else image
    if image.has_transparency_data:
        pixels = numpy.asarray(image.convert("RGBA")) / 255
        return reference(pixels[..., :3], pixels[..., 3:], 255)
    return reference(numpy.asarray(image.convert("RGB")) / 255, None, 255)


@pytest.mark.parametrize(("format", "mode"), [(format, mode) for format, modes in KEPT.items() for mode in modes])
def test_what_pillow_saves_is_what_is_read(format: str, mode: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{FORMATS[format][0]}"
    options: dict[str, Any] = {"WEBP": {"lossless": True, "exact": True}, "JPEG": {"quality": 100, "subsampling": 0}}
    MODES[mode].save(path, **options.get(format, {}))
    assert_shows(path, shown(MODES[mode]), tolerance=6 if format == "JPEG" else 1)


@pytest.mark.parametrize(("mode", "name"), [("I", "x.tif"), ("F", "x.tif"), ("LAB", "x.tif"), ("F", "x.pfm")])
def test_levels_without_a_range_are_refused(mode: str, name: str, tmp_path: Path) -> None:
    """Floating point, 32-bit integers and Lab: a file says neither what is black nor what is white."""
    MODES[mode].save(tmp_path / name, format="PPM" if name == "x.pfm" else None)
    with pytest.raises(UnreadableImage, match="its pixels are"):
        read_pixels(tmp_path / name, 3)


UPRIGHT = numpy.arange(6 * 4 * 3, dtype=numpy.uint8).reshape(6, 4, 3) * 3
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.transpose(1, 0, 2),
    6: UPRIGHT.transpose(1, 0, 2)[::-1],
    7: UPRIGHT.transpose(1, 0, 2)[::-1, ::-1],
    8: UPRIGHT.transpose(1, 0, 2)[:, ::-1],
    9: UPRIGHT,  # no such orientation
}


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_turns_images(orientation: int, format: str, tmp_path: Path) -> None:
    image = Image.fromarray(numpy.ascontiguousarray(STORED[orientation]))
    exif = Image.Exif()
    exif[0x112] = orientation
    path = tmp_path / "x"
    image.save(path, format, exif=exif, **({"lossless": True} if format == "WEBP" else {}))
    assert_shows(path, UPRIGHT.astype(numpy.int16), tolerance=12 if format == "JPEG" else 0)


def test_damaged_exif_does_harm_only_to_the_orientation(tmp_path: Path) -> None:
    """A picture whose orientation can be read is read; one whose orientation can't be is refused with the reason."""
    exif = Image.Exif()
    exif[0x112], exif[0x8769] = 6, {36867: "yesterday"}
    image = Image.fromarray(numpy.ascontiguousarray(STORED[6]))
    good = exif.tobytes()
    seen: set[str] = set()
    for at in range(6, len(good)):
        for value in (0, 255):
            image.save(tmp_path / "x.png", exif=good[:at] + bytes([value]) + good[at + 1 :])
            try:
                found = read_pixels(tmp_path / "x.png", 3)
            except UnreadableImage as refused:
                seen.add(str(refused))
            else:
                seen.add("turned" if numpy.array_equal(found, UPRIGHT) else "read")
    assert seen >= {"turned", "its EXIF data is damaged, so its orientation is unknown"}


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\n0 0 20 20 rectfill\nshowpage\n%%EOF\n"


def test_no_program_is_started_for_an_image(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostScript named `.png`, in a folder of images and for `predict`: Ghostscript is not called."""
    programs = Path("programs")
    programs.mkdir()
    (programs / "gs").write_text("#!/bin/sh\ntouch started\n")
    (programs / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs.absolute()), prepend=os.pathsep)  # before all others
    for name in ("a", "b"):
        Path("data", name).mkdir(parents=True)
        for number in range(4):
            Image.new("L", (8, 8), number * 9).save(Path("data", name, f"{number}.png"))
    Path("data/a/0.png").write_bytes(EPS)
    words = ["--data", "folder:data", "--epochs", "1", "--workers", "0", "--channels", "1", "--resize", "8"]
    code, _, err = sh("train", "small.yaml", *words, "--batch-size", "2", "--out", "run")
    assert code == 0
    assert "data/a/0.png: it is damaged or in another format; archc reads PNG, JPEG, " in err
    code, _, err = sh("predict", "run", "data/a/0.png")
    assert code == 1
    assert "error[E0702]: `data/a/0.png` cannot be read as an image: it is damaged or in another format" in err
    assert not Path("started").exists()


def bomb(path: Path, width: int, height: int) -> None:
    """A PNG of so many white pixels in a few kB."""
    row = zlib.compressobj()
    data = b"".join(row.compress(b"\0" + bytes(width // 8)) for _ in range(min(height, 2000))) + row.flush()
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c)) for n, c in parts]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


@pytest.mark.parametrize("sides", [(8192, 8200), (10_000, 10_000), (60_000, 60_000)])
def test_decompression_bombs_are_refused(sides: tuple[int, int], tmp_path: Path) -> None:
    """Below, and beyond, the sizes for which Pillow warns and raises."""
    bomb(tmp_path / "x.png", *sides)
    with pytest.raises(UnreadableImage, match=r"67,108,864 are read; .*ARCHC_MAX_IMAGE_PIXELS"):
        read_pixels(tmp_path / "x.png", 3)


def test_what_is_no_file_with_an_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    for name, reason in {
        "pipe.png": "not a regular file",
        "folder.png": "it is a folder",
        "empty.png": "damaged or in another format",
        "nowhere.png": "no such file",
    }.items():
        with pytest.raises(UnreadableImage, match=reason):
            read_pixels(tmp_path / name, 3)


def test_an_image_that_is_transparent_everywhere_is_refused(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (200, 10, 10, 0)).save(tmp_path / "x.png")
    with pytest.raises(UnreadableImage, match="all of it is transparent"):
        read_pixels(tmp_path / "x.png", 3)


def test_black_drawings_on_transparent_ground_are_told_apart(sh: Shell) -> None:
    """A bar at the left or at the right, which is in the alpha channel alone: every validation image is right."""
    for name, left in (("left", 0), ("right", 5)):
        Path("bars", name).mkdir(parents=True)
        for number in range(30):
            image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
            image.paste((0, 0, 0, 255), (left, number % 4, left + 3, number % 4 + 4))
            image.save(Path("bars", name, f"{number}.png"))
    result = archc.train("small.yaml", "folder:bars", epochs=8, lr=0.01, channels=1, workers=0, quiet=True, out="run")
    assert result.best["val_accuracy"] == 1.0
    code, out, _ = sh("predict", "run", "bars/left/0.png", "--top", "1")
    assert code == 0
    assert out.split()[-1] == "left"
