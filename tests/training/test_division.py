"""Which images validate: by share, by fold, by a list, and by seed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import archc
from archc.problems import SpecError
from archc.training import resume_run
from archc.training.data import Division, FolderImages, load_data, read_division
from tests.conftest import Shell

labels = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@given(labels, st.integers(2, 6), st.integers(0, 3))
def test_folds_have_every_image_once_and_are_alike(labels: list[int], count: int, seed: int) -> None:
    parts = [Division(fold=(number, count), seed=seed).divide(labels) for number in range(1, count + 1)]
    assert sorted(row for _, held in parts for row in held) == list(range(len(labels)))
    for train, held in parts:
        assert sorted(train + held) == list(range(len(labels)))
    assert max(len(held) for _, held in parts) - min(len(held) for _, held in parts) <= 1
    for label in set(labels):
        each = [sum(labels[row] == label for row in held) for _, held in parts]
        assert max(each) - min(each) <= 1


@given(labels, st.integers(1, 99), st.integers(0, 3))
def test_a_share_is_one_of_each_class(labels: list[int], percent: int, seed: int) -> None:
    train, held = read_division(f"0.{percent:02}", seed).divide(labels)
    assert sorted(train + held) == list(range(len(labels)))
    for label, images in Counter(labels).items():
        part = sum(labels[row] == label for row in held)
        assert part == (0 if images == 1 else max(1, images * percent // 100))


def test_a_seed_draws_other_images() -> None:
    labels = [0] * 50
    assert read_division("0.2", 1).divide(labels) == read_division("0.2", 1).divide(labels)
    assert read_division("0.2", 1).divide(labels) != read_division("0.2", 2).divide(labels)


@pytest.fixture
def photos(folder: Path) -> Path:
    """Ten images in each of two classes."""
    for name in ("a", "b"):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("L", (8, 8), number * 20).save(folder / "photos" / name / f"{number}.png")
    return Path("photos")


def names(images: object) -> set[str]:
    assert isinstance(images, FolderImages)
    return {f"{path.parent.name}/{path.stem}" for path in images.paths}


def test_a_list_names_the_validation_images(photos: Path) -> None:
    Path("val.txt").write_text("# chosen by hand\na/1.png\n\n  b/2.png\nphotos/b/3.png\n")
    data = load_data("folder:photos", division=read_division("val.txt"))
    assert names(data.validation) == {"a/1", "b/2", "b/3"}
    assert len(data.train) == 17
    assert not names(data.train) & names(data.validation)


def test_own_validation_images_are_for_the_test(photos: Path) -> None:
    photos.rename("train")
    Path("all/val").mkdir(parents=True)
    Path("train").rename("all/train")
    for name in ("a", "b"):
        Path("all/val", name).mkdir()
        Image.new("L", (8, 8)).save(f"all/val/{name}/x.png")
    data = load_data("folder:all", division=read_division("1/2"))
    assert (len(data.train), len(data.validation)) == (10, 10)
    assert names(data.test) == {"a/x", "b/x"}
    digits = load_data("digits", division=read_division("0.1"))
    plain = load_data("digits")
    assert digits.test is not None
    assert torch.equal(digits.test.pixels, plain.validation.pixels)  # type: ignore[union-attr]
    assert len(digits.train) + len(digits.validation) == len(plain.train)


def test_a_run_keeps_its_division(photos: Path, sh: Shell) -> None:
    words = ["small.yaml", "--data", "folder:photos", "--epochs", "1", "--workers", "0", "--batch-size", "8"]
    code, _, err = sh("train", *words, "--split", "2/5", "--split-seed", "3", "--out", "run")
    assert code == 0
    assert "4 validation images (fold 2 of 5)" in err
    trained = archc.load_run("run")
    wanted = load_data("folder:photos", division=Division(fold=(2, 5), seed=3)).validation
    assert names(trained.data().validation) == names(wanted)
    assert trained.evaluate().score.accuracy == trained.history[-1]["val_accuracy"]
    resume_run("run", epochs=2)
    code, _, err = sh("train", *words, "--split", "1/5", "--split-seed", "3", "--resume", "run")
    assert code == 1
    assert "split: '2/5', now '1/5'" in err
    json.loads(Path("run/run.json").read_text())


def test_arrays_are_divided_too() -> None:
    pixels, labels = torch.zeros(20, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1] * 10)
    result = archc.train(
        "small.yaml", (pixels, labels), split=0.5, limit=0, epochs=1, batch_size=10, quiet=True, out="arrays"
    )
    assert json.loads((result.folder / "run.json").read_text())["images"]["validation"]["count"] == 10


WRONG = {
    "no share": ("1.5", "between 0 and 1"),
    "no fold": ("6/5", "there is no fold 6/5"),
    "one fold": ("1/1", "there is no fold 1/1"),
    "no file": ("nowhere.txt", "is not a share or a fold, and there is no file of this name"),
    "nothing at all": ("0/0", "there is no fold 0/0"),
    "a list of others": ("others.txt", "line 2 of `others.txt` names `c/1.png`"),
    "an empty list": ("empty.txt", "no image is left for validation: listed in empty.txt"),
    "a list of all of a class": ("class.txt", "no image of `b` is left for training"),
    "a list that is none": ("photos/a/1.png", "it is not UTF-8"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_divide_is_refused(case: str, photos: Path) -> None:
    Path("others.txt").write_text("a/1.png\nc/1.png\n")
    Path("empty.txt").write_text("\n")
    Path("class.txt").write_text("".join(f"b/{number}.png\n" for number in range(10)))
    text, message = WRONG[case]
    with pytest.raises(SpecError, match=message.replace("(", "\\(")):
        load_data("folder:photos", division=read_division(text))


def test_a_dataset_with_all_parts_is_not_divided() -> None:
    data = load_data("digits", division=Division())
    from archc.training.data.division import redivided

    with pytest.raises(SpecError, match="has validation images and test images of its own"):
        redivided(data, Division())
