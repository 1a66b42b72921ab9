"""`archc predict` of many images: folders, patterns, batches, and files that are not images."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

import archc
from archc.training import Trained
from tests.conftest import Shell


@pytest.fixture
def trained(folder: Path) -> Trained:
    """A run on digits with batches of 32 images in an evaluation, beside 40 images in two folders and two files."""
    archc.train("small.yaml", "digits", limit=64, epochs=1, batch_size=16, workers=0, quiet=True, out="run")
    for number in range(40):
        path = Path("photos") / ("a" if number < 20 else "b/c") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9 + number % 3, 8), number * 6).save(path)
    Path("photos/a/20.png").write_text("no image")
    Path("photos/b/notes.txt").write_text("no image")
    return archc.load_run("run")


def test_an_image_gets_the_same_answer_in_a_batch_as_alone(trained: Trained) -> None:
    together = {found.path: found for found in trained.predict(["photos"], 10)}
    assert len(together) == 41
    assert [path for path, found in together.items() if found.fault] == [Path("photos/a/20.png")]
    for path in list(together)[::7]:
        (alone,) = trained.predict([path], 10)
        assert dict(alone.classes) == pytest.approx(dict(together[path].classes), abs=0.02)  # bf16 where it is native


def test_images_pass_the_network_in_batches(trained: Trained) -> None:
    sizes: list[int] = []
    trained.model.register_forward_pre_hook(lambda _module, given: sizes.append(len(given[0])))
    assert len(list(trained.predict(["photos"]))) == 41
    assert sizes == [32, 9]


def test_folders_patterns_and_files_are_the_same_images(trained: Trained) -> None:
    def paths(*images: str) -> list[Path]:
        return [found.path for found in trained.predict(images) if not found.fault]

    assert len(paths("photos/b")) == 20
    assert paths("photos/b") == paths("photos/**/[23]*.png")
    assert paths("photos/a/0?.png") == [Path(f"photos/a/0{number}.png") for number in range(10)]
    assert paths("photos/a/01.png", "photos/a") == [
        Path("photos/a/01.png"),
        *paths("photos/a/00.png"),
        *paths("photos/a")[2:],
    ]
    Image.new("L", (8, 8)).save("photos/[1].png")
    assert paths("photos/[1].png") == [Path("photos/[1].png")]


def test_what_cannot_be_read_costs_no_other_answer(trained: Trained, sh: Shell) -> None:
    bad = {
        "photos/a/20.png": "it is damaged or in another format",
        "nowhere.png": "no such file or directory",
        "*.jpg": "no file matches this pattern",
        "empty": "there are no images in this folder",
    }
    Path("empty").mkdir()
    good = "photos/b/c/30.png"
    code, out, err = sh("predict", "run", *bad, good)
    assert code == 1
    assert out.splitlines()[0] == good
    assert len(out.splitlines()) == 6
    for name, reason in bad.items():
        assert f"`{name}` cannot be read as an image: {reason}" in err
    code, out, err = sh("predict", "run", *bad, good, "--format", "json")
    found = {each["image"]: each for each in json.loads(out)}
    assert code == 1
    assert list(found[good]["classes"])
    assert all(found[name]["error"].startswith(reason) for name, reason in bad.items())
    code, out, _ = sh("predict", "run", "photos/b", "--format", "csv", "--top", "2")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 40
    assert rows[0]["image"] == "photos/b/c/20.png"
    assert float(rows[0]["probability"]) >= float(rows[1]["probability"])


NOTHING = {
    "empty": "there are no images in this folder",
    "hidden": "there are no images in this folder",
    "*.jpg": "no file matches this pattern",
    "photo[2].png": "no file matches this pattern",
}


@pytest.mark.parametrize("form", ["text", "json", "csv"])
def test_names_without_any_image_are_errors(form: str, trained: Trained, sh: Shell) -> None:
    """Each alone, and all of them: no batch is left to read."""
    Path("empty").mkdir()
    Path("hidden/.ipynb_checkpoints").mkdir(parents=True)
    Image.new("L", (8, 8)).save("hidden/.ipynb_checkpoints/0.png")
    for names in [*([name] for name in NOTHING), list(NOTHING)]:
        code, _, err = sh("predict", "run", *names, "--format", form)
        assert code == 1
        assert err.count("error[E0702]") == len(names)
        assert all(f"`{name}` cannot be read as an image: {NOTHING[name]}" in err for name in names)
    assert list(trained.predict([])) == []


def test_probabilities_are_those_of_the_network() -> None:
    """Of a network that answers with the brightness: what predict says is what the pixels are."""

    class Brightness(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            level = x.mean((1, 2, 3))
            return torch.stack([level, -level], 1) * self.weight

    pixels = torch.tensor([0, 255] * 10, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    labels = torch.tensor([0, 1] * 10)
    archc.train(
        Brightness(), (pixels, labels), epochs=1, lr=1e-9, mean=0.5, std=0.5, precision="fp32", quiet=True, out="b"
    )
    run = archc.load_run("b", model=Brightness())
    for level in (0, 255):
        Image.new("L", (8, 8), level).save(f"{level}.png")
    found = {each.path.stem: dict(each.classes) for each in run.predict(["0.png", "255.png"])}
    sure = float(torch.tensor([1.0, -1.0]).softmax(0)[0])
    assert found["255"]["0"] == pytest.approx(sure, abs=1e-5)
    assert found["0"]["1"] == pytest.approx(sure, abs=1e-5)
