"""Command lines for benchmarks/fuzz.py: any command with any of its options, in a folder of files of every sort.

What a command prints holds no control character, it ends with 0, 1 or 2, and no file is lost: only what `-o`, `--save`
or `--resume` names may be replaced, `fmt` keeps the meaning, and `emit` replaces its own files alone, unless `--force`
asks for it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

import torch
from foreign import run_files
from fuzz import ROOT, mutate_text
from PIL import Image

import archc
from archc.cli.main import COMMANDS, main, parser
from archc.emit import body_digest
from archc.reading import read_text

sys.path.insert(0, str(ROOT / "tests"))
from test_terminal import EVIL, SEEN, SPECS

WEIGHTS = {"train": 1, "export": 1, "view": 2, "lsp": 1, "build": 3, "import": 6, "eval": 2, "predict": 3, "compare": 4}
"""How often a command is drawn; 10 for the others."""
LEFT_OUT = ("watch", "download", "recipe_compile", "recipe_workers", "recipe_tensorboard", "help", "version", "color")
"""Options that do not end, or that depend on the machine."""
BOUNDED = {
    "train": ["--epochs", "1", "--limit", "8", "--batch-size", "8", "--device", "cpu", "--workers", "0"],
    "view": ["--port", "none"],  # it would serve until it is interrupted
}
"""What keeps a command short, behind all other words."""


def commands(rng: random.Random, folder: Path) -> str:
    """A command line: done, or refused."""
    os.chdir(folder)
    _fill(folder, rng)
    words = _words(rng)
    before = _files(folder)
    try:
        with _captured() as streams:
            try:
                code: Any = main(words)
            except SystemExit as stop:
                code = stop.code
        assert code in (0, 1, 2)
        printed = [Path(stream.name).read_text("utf-8", "surrogateescape") for stream in streams]
        if "-" not in words and words[0] not in ("completion", "schema"):  # these print files
            assert SEEN.fullmatch(printed[0].replace("\t", "")), printed[0]
        assert SEEN.fullmatch(printed[1].replace("\t", "")), printed[1]
        assert "Traceback" not in printed[1]
        _require_kept(words, before, _files(folder))
    except BaseException as error:
        error.add_note(f"archc {' '.join(map(ascii, words))}")
        raise
    return "accepted" if code == 0 else "refused"


@contextmanager
def _captured() -> Iterator[tuple[IO[str], IO[str]]]:
    """Streams that are files, as a process has them."""
    kept = sys.stdin, sys.stdout, sys.stderr
    with (
        open(os.devnull) as stdin,
        open("../out", "w", errors="backslashreplace") as out,
        open("../err", "w", errors="backslashreplace") as err,
    ):
        sys.stdin, sys.stdout, sys.stderr = stdin, out, err
        try:
            yield out, err
        finally:
            sys.stdin, sys.stdout, sys.stderr = kept


# The files

GOOD = """input: [3, 8, 8]
arguments: {width: 4}
layers: [{conv2d: {out_channels: $width, kernel_size: 3}}, flatten, {linear: 10}]
"""
CODE = """import torch


class Net(torch.nn.Sequential):
    def __init__(self, width=4):
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(192, width))
"""
CFG = "[net]\nheight=8\nwidth=8\nchannels=3\n[convolutional]\nfilters=4\nsize=3\nactivation=leaky\n"


@cache
def _contents() -> dict[str, bytes]:
    """The files that are the same for every command line."""
    architecture, buffer, picture = archc.loads(GOOD, "good"), io.BytesIO(), io.BytesIO()
    torch.save(architecture.build().state_dict(), buffer)
    Image.effect_noise((8, 8), 80).convert("RGB").save(picture, "PNG")
    found = {
        "good.yaml": GOOD.encode(), f"{EVIL}.yaml": GOOD.encode(), os.fsdecode(b"\xff.yaml"): GOOD.encode(),
        "net.py": CODE.encode(), "net.cfg": CFG.encode(), "x.pth": buffer.getvalue(), "broken.pth": b"PK\3\4",
        "x.safetensors": b"{", "pic.png": picture.getvalue(), "broken.jpg": b"\xff\xd8\xff", "notes.txt": EVIL.encode(),
        "out/good.py": b"mine = 1\n", "own/good.py": architecture.emit().encode(), "table.svg": b"<svg/>",
        "latin.yaml": "description: é\n".encode("latin-1"), "dos.yaml": GOOD.replace("\n", "\r\n").encode(),
        "locked.yaml": b"input:   [3, 8, 8]\nlayers: [relu]\n",
    }  # fmt: skip
    for place in ("train/a", "train/b", "val/a", "val/b"):
        found |= {f"photos/{place}/{number}.png": picture.getvalue() for number in range(3)}
    return found


@cache
def _networks() -> list[str]:
    paths = [path for folder in ("tests/networks", "tests/errors") for path in (ROOT / folder).glob("*.yaml")]
    return [text for path in sorted(paths) if len(text := path.read_text("utf-8", "surrogateescape")) < 2000]


def _fill(folder: Path, rng: random.Random) -> None:
    files = dict(_contents())
    files["evil.yaml"] = rng.choice(list(SPECS.values())).encode()
    files["changed.yaml"] = mutate_text(rng.choice(_networks()), rng).encode("utf-8", "surrogateescape")
    if rng.random() < 0.2:
        files |= {f"run/{name}": content for name, content in run_files().items()}
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "locked.yaml").chmod(0o444)
    (folder / "link.yaml").symlink_to("good.yaml")
    (folder / "loop.yaml").symlink_to("loop.yaml")
    (folder / "dir.yaml").mkdir()
    os.mkfifo(folder / "fifo.yaml")


def _files(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """The files below a folder, links and others but no folders, with their modes and contents."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            mode = path.lstat().st_mode
            content = (
                path.read_bytes() if stat.S_ISREG(mode) else os.readlink(path).encode() if path.is_symlink() else b""
            )
            found[path] = mode, content
    return found


def _require_kept(
    words: list[str], before: dict[Path, tuple[int, bytes]], after: dict[Path, tuple[int, bytes]]
) -> None:
    """Nothing that was there is lost, and nothing temporary is left."""
    assert not [path for path in after if path.name.startswith(".archc-")]
    named = [Path(word).resolve() for word in words[1:] if len(word) < 200 and word != "loop.yaml"]
    for path, (mode, content) in before.items():
        assert path in after, f"{path} is gone"
        assert after[path][0] == mode, f"{path} has another mode"
        if after[path][1] == content:
            continue
        match words[0]:
            case "fmt":
                assert "--check" not in words
                one, other = (read_text(text.decode("utf-8-sig"), "x") for text in (content, after[path][1]))
                assert json.dumps(one) == json.dumps(other)
            case "emit":
                stated, actual = body_digest(content.decode())
                assert "--force" in words or (stated is not None and stated == actual), f"{path} is overwritten"
            case "draw" | "build" | "export" | "compare":
                assert path.resolve() in named, f"{path} is overwritten"
                assert path.suffix not in (".yaml", ".py", ".txt"), f"{path} is overwritten"
            case "train":
                assert "--resume" in words, f"{path} is overwritten"
            case _:
                raise AssertionError(f"{path} is overwritten")


# The words

PATHS = [
    "good.yaml", "good.yaml", "evil.yaml", "changed.yaml", "changed.yaml", f"{EVIL}.yaml", os.fsdecode(b"\xff.yaml"),
    "latin.yaml", "dos.yaml", "locked.yaml", "link.yaml", "loop.yaml", "fifo.yaml", "dir.yaml", "nothing.yaml", ".",
    "net.py", "net.py:Net", "net.py:None", "net.cfg", "x.pth", "broken.pth", "x.safetensors", "pic.png", "broken.jpg",
    "notes.txt", "out", "own", "photos", "run", "run/best.safetensors", "table.svg", "/dev/null", "/dev/zero", "-", "",
    EVIL, "x" * 300, "new.svg", "new.pdf", "new.png", "new.html", "new.tex", "new.dot", "new.mmd", "new.pth", "new/x",
    "new.safetensors", "new.yaml", "new.onnx", "new.pt2", "small_convnet", "vgg11", "HEAD:good.yaml", f"HEAD:{EVIL}",
]  # fmt: skip
VALUES = [
    "0", "1", "2", "-1", "3x8x8", "1x9", "0x0x0", "9" * 400, "width=8", "width=-1", "width=[1", f"width={EVIL}", "x=1",
    f"{EVIL}=1", "nan", "1e999", "true", "all", "auto", "E0312", "conv2d", "when", "bash", "batch,height", "",
    "digits", "folder:photos", "folder:", f"folder:{EVIL}", "folder:fifo.yaml", "shapes:8:20", "mnist", "*", "layer*=2",
    "layer=x", "$(1)", "\u2028", os.fsdecode(b"\xff"), EVIL, "default", "../x",
]  # fmt: skip


def _words(rng: random.Random) -> list[str]:
    """A command with some of its arguments and options."""
    name = rng.choices(list(COMMANDS), [WEIGHTS.get(name, 10) for name in COMMANDS])[0]
    used = parser(name).used
    assert used is not None
    actions = [action for action in used._actions if action.dest not in LEFT_OUT]
    words = []
    for action in actions:
        if not action.option_strings:
            least, most = {None: (1, 1), "+": (1, 3), "*": (0, 3), "?": (0, 1)}[action.nargs]  # type: ignore[index]
            count = rng.randint(least, most) if rng.random() < 0.95 else 0
            words += [_value(action, rng) for _ in range(count)]
    options = [action for action in actions if action.option_strings]
    chosen = rng.sample(options, min(len(options), rng.choice([0, 0, 1, 1, 2, 4])))
    for action in {*chosen, *(action for action in options if action.required and rng.random() < 0.95)}:
        option = rng.choice(action.option_strings)
        words += [option] if action.nargs == 0 else [option, _value(action, rng)]
    if rng.random() < 0.05:
        words.insert(rng.randrange(len(words) + 1), rng.choice(VALUES))
    if rng.random() < 0.02:
        name = rng.choice([EVIL, "", "chekc", "--format"])
    return [name, *words, *BOUNDED.get(name, [])]


def _value(action: argparse.Action, rng: random.Random) -> str:
    if action.choices is not None and rng.random() < 0.9:
        return str(rng.choice(list(action.choices)))
    paths = 0.95 if action.type is Path or not action.option_strings else 0.3
    return rng.choice(PATHS if rng.random() < paths else VALUES)
