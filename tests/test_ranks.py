"""Networks for vectors, sequences and volumes: everything that works for images works for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from parity import assert_equal_modules, emitted_class, seeded

import archc
from archc.cli.main import main

FOLDER = Path(__file__).parent / "networks"
NAMES = ("mlp", "m5", "video")
SETTINGS = {"mlp": {"hidden": 16, "depth": 3}, "m5": {"channels": 8}, "video": {"num_classes": 3}}


def load(name: str) -> archc.Architecture:
    return archc.load(FOLDER / f"{name}.yaml")


@pytest.mark.parametrize("name", NAMES)
def test_built_and_emitted_are_equal(name: str) -> None:
    architecture = load(name)
    made = emitted_class(architecture)
    for settings in ({}, SETTINGS[name]):
        built = seeded(lambda settings=settings: architecture.build(**settings))
        assert_equal_modules(
            built, seeded(lambda settings=settings: made(**settings)), torch.randn(2, *architecture.input)
        )


@pytest.mark.parametrize("name", NAMES)
def test_the_smallest_input_is_the_smallest_that_runs(name: str) -> None:
    """Along each axis with the others as declared, the network runs there and not below."""
    architecture = load(name)
    channels, *declared = architecture.input
    least = architecture.min_input
    assert len(least) == len(declared)
    module = architecture.build().eval()
    with torch.no_grad():
        module(torch.zeros(1, channels, *least))
        for axis, length in enumerate(least):
            smaller = [*declared[:axis], length - 1, *declared[axis + 1 :]]
            with pytest.raises((RuntimeError, ValueError)):
                module(torch.zeros(1, channels, *smaller))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", ["svg", "volumes.svg", "html", "dot", "mmd", "tex"])
def test_every_drawing(name: str, suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"{name}.{suffix}"
    style = ["--style", "volumes"] if suffix.startswith("volumes") else []
    assert main(["draw", str(FOLDER / f"{name}.yaml"), "-o", str(out), *style]) == 0
    text = out.read_text("utf-8")
    assert load(name).name in text or "×".join(map(str, load(name).input)) in text


@pytest.mark.parametrize("name", NAMES)
def test_summary_and_difference(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(FOLDER / f"{name}.yaml")
    assert main(["summary", path]) == 0
    shown = capsys.readouterr().out
    assert "×".join(map(str, load(name).input)) in shown
    assert ("smallest input" in shown) == (name != "mlp")
    (setting, value) = next(iter(SETTINGS[name].items()))
    other = load(name).configure(**{setting: value})
    difference = archc.diff(load(name), other)
    assert not difference.equal
    assert main(["diff", path, path]) == 0


def test_an_input_of_another_rank_is_refused() -> None:
    with pytest.raises(archc.SpecError, match=r"an input size of M5 is \(channels, length\)"):
        load("m5").configure((1, 32, 32))


def test_training_takes_images(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(FOLDER / "m5.yaml"), "--data", "digits"]) == 1
    assert "`archc train` takes networks for single images: M5 takes 1×8000" in capsys.readouterr().err
