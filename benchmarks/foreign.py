"""Inputs from elsewhere for benchmarks/fuzz.py: images, folders of images, weights, run folders.

Each is one function `(random, folder) -> verdict` that makes an input in an empty folder and gives it to archc. It
raises whatever should not happen.
"""

from __future__ import annotations

import copy
import io
import json
import os
import random
import resource
import shutil
import struct
import sys
import time
import traceback
import warnings
import zlib
from argparse import Namespace
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy
import torch
from fuzz import ROOT, mutate_text
from memory import peak_memory
from PIL import Image
from safetensors.torch import save

import archc
from archc.build.foreign import Unusable, read_state
from archc.cli.main import main as main_of_archc
from archc.formatting import format_text
from archc.reading import read_file, read_text
from archc.training.checkpoint import checkpoints, load_checkpoint
from archc.training.data import load_data
from archc.training.data.decode import EXTENSIONS, FORMATS, UnreadableImage, read_pixels
from archc.training.trained import load_run

sys.path.insert(0, str(ROOT / "tests"))
from scrawl import NOTES, Scrawl

Input = Callable[[random.Random, Path], str]


def refused(*reasons: str) -> str:
    """The verdict on an input that archc refuses: there is a reason, in one line."""
    assert reasons
    assert all(reasons)
    assert not any("\n" in reason for reason in reasons)
    return "refused"


MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F")


def image(rng: random.Random, folder: Path) -> str:
    """An image of any mode, format and metadata, often with damage."""
    path = folder / f"x{rng.choice(sorted(EXTENSIONS))}"
    content = bytearray(_image(rng))
    if rng.random() < 0.8:
        _damage(content, rng)
        if content[:4] == b"\x89PNG" and rng.random() < 0.7:
            content = bytearray(_with_right_sums(bytes(content)))
    path.write_bytes(content)
    background = rng.choice(["white", "gray", "black"])
    try:
        pixels = read_pixels(path, rng.choice([1, 3]), background)
    except UnreadableImage as reason:
        return refused(str(reason))
    assert pixels.dtype == numpy.uint8
    assert pixels.ndim == 3
    assert pixels.size
    return "accepted"


def _image(rng: random.Random) -> bytes:
    mode, kind = rng.choice(MODES), rng.choice([*FORMATS, *FORMATS, "EPS", "ICO", "PCX", "SGI", "TGA"])
    size = rng.randrange(1, 40), rng.randrange(1, 40)
    if mode in ("I;16", "I", "F"):
        kinds = {"I;16": "u2", "I": "i4", "F": "f4"}
        levels = numpy.frombuffer(rng.randbytes(size[0] * size[1] * 4), kinds[mode])[: size[0] * size[1]]
        made = Image.fromarray(levels.reshape(size[1], size[0]))
    else:
        made = Image.effect_noise(size, 80).convert("RGBA" if mode in ("LA", "RGBA") else "RGB").convert(mode)
    options: dict[str, Any] = {}
    if rng.random() < 0.4:
        exif = Image.Exif()
        exif[0x112] = rng.choice([0, 1, 3, 6, 8, 9, 65535])
        exif[rng.randrange(1, 65536)] = rng.choice(["x", 3, "\u00e9" * 300])
        options["exif"] = exif
    if rng.random() < 0.3 and mode in ("1", "L", "P"):
        options["transparency"] = rng.randrange(256)
    if kind == "TIFF":
        options["compression"] = rng.choice([None, "tiff_lzw", "tiff_deflate", "packbits", "jpeg"])
    buffer = io.BytesIO()
    try:
        made.save(buffer, kind, **options)
    except Exception:  # no such combination
        made.convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def _damage(content: bytearray, rng: random.Random) -> None:
    """A few bytes changed, cut, repeated or inserted."""
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        if not content:
            return
        at = rng.randrange(min(len(content), rng.choice([64, 256, len(content)])))
        match rng.randrange(5):
            case 0:
                content[at] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
            case 1:
                content[at] ^= 1 << rng.randrange(8)
            case 2:
                del content[at : at + rng.choice([1, 2, 4, 50, 10_000])]
            case 3:
                content[at:at] = content[at : at + rng.choice([1, 4, 40])]
            case _:
                number = rng.choice([0, 1, 2**15, 2**31 - 1, 2**31, 2**32 - 1])
                content[at : at + 4] = struct.pack(rng.choice("<>") + "I", number)


def _with_right_sums(content: bytes) -> bytes:
    """A PNG whose chunks have the checksums of their contents, so that damage gets past these."""
    out, at = content[:8], 8
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        body = content[at + 4 : at + 8 + length]
        if len(body) != 4 + length:
            break
        out += struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return out + content[at:]


NAMES = [
    "train", "Train", "TRAINING", "val", "valid", "test", "Testing", "dev", "seg_train", "seg_test", "seg_pred",
    "train_images", "cat", "dog", "bus", "train station", ".hidden", "__MACOSX", ".ipynb_checkpoints", "images", "a",
    "$x_$", "\udce9", "é", "e\u0301", "\u202e", "x\ny", "\x1b[31m", "n" * 200, "data", "archive", "@eaDir",
]  # fmt: skip


def folders(rng: random.Random, folder: Path) -> str:
    """A random tree of folders with names that may mean something."""
    root = folder / "photos"
    root.mkdir()
    places = [root]
    for _ in range(rng.randrange(12)):
        place = rng.choice(places) / rng.choice(NAMES)
        place.mkdir(exist_ok=True)
        places.append(place)
    for _ in range(rng.randrange(20)):
        place = rng.choice(places) / f"{rng.randrange(99)}{rng.choice(['.png', '.png', '.JPG', '.heic', '.txt', ''])}"
        if not place.exists():
            place.touch()
    if rng.random() < 0.2:
        link = rng.choice(places) / "link"
        if not link.exists():
            link.symlink_to(rng.choice(places), target_is_directory=True)
    try:
        data = load_data(f"folder:{root}")
    except archc.SpecError as error:
        return refused(*(problem.message for problem in error.problems if problem.code == "E0702"))
    assert len(data.classes) > 1
    assert len(data.train)
    assert len(data.validation)
    paths = [path for part in (data.train, data.validation, data.test) if part is not None for path in part.paths]  # type: ignore[union-attr]
    assert len(set(paths)) == len(paths)
    assert not any(part.startswith(".") for path in paths for part in path.relative_to(root).parts)
    return "accepted"


class _Planted:
    """Pickles to a call that makes a file."""

    def __reduce__(self) -> Any:
        return (open, ("planted", "w"))


def weights(rng: random.Random, folder: Path) -> str:
    """A random pickle or a damaged file of weights."""
    os.chdir(folder)
    path = folder / rng.choice(["x.pth", "x.pt", "x.bin", "x.safetensors"])
    if rng.random() < 0.4:
        content = bytearray(_sound_weights(path.suffix))
        _damage(content, rng)
        path.write_bytes(content)
    else:
        path = path.with_suffix(".pth")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = _value(rng, 0)
            torch.save(value, path, _use_new_zipfile_serialization=rng.random() < 0.7)
    try:
        found = read_state(path)
    except Unusable as reason:
        return refused(str(reason))
    finally:
        assert not Path("planted").exists()
    for tensor in found.values():
        assert tensor.layout == torch.strided
        assert not tensor.is_complex()
        assert not tensor.is_floating_point() or not bool(tensor.float().isnan().any())
    return "accepted"


@cache
def _sound_weights(suffix: str) -> bytes:
    state = {"a.weight": torch.arange(600.0).reshape(20, 30), "a.bias": torch.ones(20), "n": torch.tensor(3)}
    if suffix == ".safetensors":
        return save(state)
    buffer = io.BytesIO()
    torch.save({"epoch": 1, "state_dict": state}, buffer, _use_new_zipfile_serialization=suffix != ".bin")
    return buffer.getvalue()


def _value(rng: random.Random, depth: int) -> Any:
    """A value as scripts save them, and as they don't."""
    keys = [
        "state_dict",
        "model",
        "model_state_dict",
        "module.a",
        "_orig_mod.a",
        "a.weight",
        "a.bias",
        "epoch",
        0,
        None,
    ]
    if depth < 4 and rng.random() < 0.75 - 0.15 * depth:
        made = {rng.choice(keys): _value(rng, depth + 1) for _ in range(rng.randrange(4))}
        if rng.random() < 0.05:
            made[rng.choice(keys)] = made
        return rng.choice([dict, OrderedDict])(made)
    tensors: list[Callable[[], Any]] = [
        lambda: torch.zeros(3, 2),
        lambda: torch.zeros(1).expand(10 ** rng.randrange(13)),
        lambda: torch.tensor([1.0, torch.nan]),
        lambda: torch.zeros(2, dtype=rng.choice([torch.complex64, torch.float16, torch.bfloat16, torch.bool])),
        lambda: torch.zeros(2, device="meta"),
        lambda: torch.eye(3).to_sparse(),
        lambda: torch.eye(3).to_sparse_csr(),
        lambda: torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.qint8),
        lambda: torch.nn.Parameter(torch.zeros(2)),
        lambda: torch.zeros(0),
        lambda: numpy.float64(0.5),
        lambda: numpy.zeros(3),
        lambda: Namespace(lr=0.1),
        lambda: torch.nn.Linear(2, 3),
        _Planted,
        lambda: rng.choice([3, 0.5, "x", None, True, [1], (1, 2), {1, 2}, b"x"]),
    ]
    return rng.choice(tensors[:1] * 20 + tensors)()


JSON = [None, True, -1, 0, 1, 2**70, 0.5, 1e400, "", "x", "\udce9", "../..", [], [1, 8, 8], ["a"], {}, {"kind": "spec"}]


@cache
def run_files() -> dict[str, bytes]:
    """The files of a finished run, by their paths in its folder."""
    with TemporaryDirectory() as name:
        run = Path(name) / "run"
        archc.train("small_convnet", "digits", epochs=2, limit=64, quiet=True, out=run, batch_size=32)
        return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def runs(rng: random.Random, folder: Path) -> str:
    """A run folder with entries, bytes or files changed."""
    files = dict(run_files())
    match rng.randrange(4):
        case 0 | 1:
            facts = json.loads(files["run.json"])
            for _ in range(rng.randrange(1, 4)):
                place = rng.choice([facts, facts["reference"] if isinstance(facts.get("reference"), dict) else facts])
                place[rng.choice([*facts, "kind", "class", "name"])] = copy.deepcopy(rng.choice(JSON))
            files["run.json"] = json.dumps(facts).encode("utf-8", "surrogatepass")
        case 2:
            content = bytearray(files[name := rng.choice(["run.json", "recipe.yaml", "best.safetensors", "spec.yaml"])])
            _damage(content, rng)
            files[name] = bytes(content)
        case _:
            name = rng.choice([name for name in files if name.startswith("last/")])
            content = bytearray(files[name])
            _damage(content, rng)
            files[name] = bytes(content)
    for name, stored in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(stored)
    try:
        load_run(folder, device="cpu")
        if checkpoints(folder / "last"):
            load_checkpoint(folder / "last")
    except archc.SpecError as error:
        return refused(*(problem.message for problem in error.problems))
    return "accepted"


def texts(rng: random.Random, folder: Path) -> str:
    """A text with every line break, quote, block scalar and comment of YAML's: formatting keeps its meaning."""
    text = Scrawl(rng).text() if rng.random() < 0.8 else mutate_text(rng.choice(_specs()), rng)
    path = folder / "net.yaml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    try:
        before = read_file(path, path.name)
    except archc.SpecError as error:
        return refused(*(problem.message for problem in error.problems))
    form = _file if rng.random() < 0.1 else _text
    once = form(path)
    assert json.dumps(read_text(once, path.name)) == json.dumps(before)
    assert all(once.count(note) == text.count(note) for note in NOTES)
    path.write_text(once, "utf-8")
    assert form(path) == once
    return "accepted"


def _text(path: Path) -> str:
    return format_text(read_file(path, path.name).mark.source.text, path.name)


def _file(path: Path) -> str:
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        assert main_of_archc(["fmt", str(path)]) == 0
    assert os.listdir(path.parent) == [path.name]
    return path.read_bytes().decode()


@cache
def _specs() -> list[str]:
    return [path.read_text("utf-8") for path in (ROOT / "tests/networks").glob("*.yaml")]


def inputs_of(what: str) -> Input:
    """The function that makes inputs of a sort, and what it needs."""
    match what:
        case "sources":
            from sources import sources

            return sources
        case "commands":
            from command_lines import commands

            return commands
    return {"texts": texts, "images": image, "folders": folders, "weights": weights, "runs": runs}[what]


SECONDS = {"sources": 5.0, "commands": 20.0}
"""Of the processor that archc may take for an input, and that making the input takes; 1 for the others."""
MEBIBYTES = 1024
LIMIT = 4 * 2**30
"""Bytes that the process can have, so that an input that asks for more does no harm to the machine."""


def fuzz(what: str, count: int, seconds: float, seed: int, out: Path) -> int:
    """Give archc so many inputs of a kind, or as many as there is time for; keep those that go wrong.

    Returns 1 if anything was found or the process took more than MEBIBYTES, 0 otherwise.
    """
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    seen: Counter[str] = Counter()
    make, limit = inputs_of(what), SECONDS.get(what, 1.0)
    with suppress(Exception), TemporaryDirectory() as name:  # what is made once is no input's time
        make(random.Random(0), Path(name))
    begun, slowest = time.monotonic(), 0.0
    with TemporaryDirectory() as name:
        folder = Path(name) / "input"
        for number in range(count):
            if time.monotonic() - begun > seconds:
                break
            folder.mkdir()
            start = time.process_time()
            try:
                verdict = make(random.Random(f"{seed} {number}"), folder)
                took = time.process_time() - start
                assert took < limit, f"it took {took:.1f} s"
            except Exception as error:
                verdict = "found"
                place = out / f"{what}-{seed}-{number}"
                os.chdir(name)
                shutil.copytree(folder, place, symlinks=True, dirs_exist_ok=True)
                place.with_suffix(".txt").write_text(traceback.format_exc(), "utf-8", "backslashreplace")
                print(f"{place}: {type(error).__name__}: {error!s:.300}", flush=True)
            slowest = max(slowest, time.process_time() - start)
            seen[verdict] += 1
            os.chdir(name)
            shutil.rmtree(folder)
    used = peak_memory()
    counts = ", ".join(f"{number:,} {verdict}" for verdict, number in sorted(seen.items()))
    print(f"{seen.total():,} {what}: {counts}; slowest {slowest * 1e3:.0f} ms, {used:.0f} MiB at the most")
    return 1 if seen["found"] or used > MEBIBYTES else 0
