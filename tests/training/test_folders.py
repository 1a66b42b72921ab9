"""Folders of images: a table of layouts and what is read in each, and random layouts whose reading is known."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from shell import Shell

from archc.problems import SpecError
from archc.training.data import FolderImages, load_data
from archc.training.data.splits import Role, role_of


def plant(base: Path, *files: str) -> None:
    """Files below a folder; `cat/5` stands for five images in it, all of them empty."""
    for file in files:
        folder, _, last = file.rpartition("/")
        names = [f"{number}.png" for number in range(int(last))] if last.isdigit() else [last]
        (base / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            (base / folder / name).touch()


def read(base: Path) -> tuple[dict[str, set[str]], dict[str, set[str]], tuple[str, ...]]:
    """The training and validation images of each class, by their paths in the folder, and what is said of them."""
    data = load_data(f"folder:{base}")
    parts = []
    for part in (data.train, data.validation):
        assert isinstance(part, FolderImages)
        found: dict[str, set[str]] = {name: set() for name in data.classes}
        for path, label in zip(part.paths, part.labels, strict=True):
            found[data.classes[label]].add(str(path.relative_to(base)))
        parts.append(found)
    return parts[0], parts[1], data.notes


READ = {
    "one folder per class": (
        ["cat/10", "dog/5"],
        "12 training images in 2 classes from photos/ (cat, dog), 3 validation images (a fifth of each class)",
    ),
    "parts": (
        ["train/cat/3", "train/dog/3", "val/cat/1", "val/dog/1"],
        "6 training images in 2 classes from train/ (cat, dog), 2 validation images from val/",
    ),
    "parts in upper case": (
        ["Training/cat/3", "Training/dog/3", "Testing/cat/1", "Testing/dog/1"],
        "6 training images in 2 classes from Training/ (cat, dog), 2 validation images from Testing/",
    ),
    "parts with a common word, wrapped, and more images": (
        [f"{part}/{part}/{name}/2" for part in ("seg_train", "seg_test") for name in "ab"] + ["seg_pred/seg_pred/9"],
        (
            "4 training images in 2 classes from seg_train/seg_train/ (a, b), "
            "4 validation images from seg_test/seg_test/\n"
            "not used: seg_pred/ (its name is not the name of a part)"
        ),
    ),
    "train and val of three parts": (
        ["Train/a/2", "Train/b/2", "Val/a/1", "Val/b/1", "Test/a/4", "Test/b/3"],
        ("4 training images in 2 classes from Train/ (a, b), 2 validation images from Val/, 7 test images from Test/"),
    ),
    "parts with a word that says nothing": (
        [f"{part}/{name}/2" for part in ("traindir", "val_folder") for name in "ab"],
        "4 training images in 2 classes from traindir/ (a, b), 4 validation images from val_folder/",
    ),
    "train alone": (
        ["train/a/5", "train/b/5"],
        "8 training images in 2 classes from train/ (a, b), 2 validation images (a fifth of each class)",
    ),
    "test images without classes": (
        ["train/a/5", "train/b/5", "test/9"],
        (
            "8 training images in 2 classes from train/ (a, b), 2 validation images (a fifth of each class)\n"
            "not used: test/ (it has no class folders)"
        ),
    ),
    "a folder around it": (
        ["archive/images/a/5", "archive/images/b/5", "archive/readme.txt", "archive/labels/a.xml"],
        "8 training images in 2 classes from archive/images/ (a, b), 2 validation images (a fifth of each class)",
    ),
    "what systems leave": (
        ["a/5", "b/5", "__MACOSX/a/5", "__MACOSX/b/5", ".git/x/5", "a/.ipynb_checkpoints/5", "b/._0.png", "@eaDir/a/3"],
        "8 training images in 2 classes from photos/ (a, b), 2 validation images (a fifth of each class)",
    ),
    "a class of trains": (
        ["bus/5", "car/5", "train/5"],
        ("12 training images in 3 classes from photos/ (bus, car, train), 3 validation images (a fifth of each class)"),
    ),
    "classes whose names hold such words": (
        ["train_station/5", "test_tube/5", "toy train/5"],
        (
            "12 training images in 3 classes from photos/ (test_tube, toy train, train_station), "
            "3 validation images (a fifth of each class)"
        ),
    ),
    "a class without validation images": (
        ["train/a/3", "train/b/3", "train/c/3", "val/a/1", "val/b/1", "val/c/notes.txt"],
        (
            "9 training images in 3 classes from train/ (a, b, c), 2 validation images from val/\n"
            "no validation images of c\nnot used: val/c/ (without images)"
        ),
    ),
    "a class of one image": (
        ["a/5", "b/1"],
        (
            "5 training images in 2 classes from photos/ (a, b), 1 validation image (a fifth of each class)\n"
            "no validation images of b, with one image each"
        ),
    ),
    "images elsewhere and of other formats": (
        ["a/5", "b/5", "0.png", "a/x.heic", "a/y.HEIC", "b/x.svg", "notes/todo.txt"],
        (
            "8 training images in 2 classes from photos/ (a, b), 2 validation images (a fifth of each class)\n"
            "not used: notes/ (without images), 1 image (outside of the class folders), "
            "2 .heic files and 1 .svg file (a format that archc does not read)"
        ),
    ),
    "folders in the class folders": (
        ["animals/cat/3", "animals/dog/2", "things/cup/5"],
        ("8 training images in 2 classes from photos/ (animals, things), 2 validation images (a fifth of each class)"),
    ),
    "one folder of the same name in each class folder": (
        ["cat/images/5", "dog/images/5"],
        "8 training images in 2 classes from photos/ (cat, dog), 2 validation images (a fifth of each class)",
    ),
    "folders of the same names beside the images of each class": (
        ["cat/3", "cat/new/1", "cat/old/1", "dog/3", "dog/new/1", "dog/old/1"],
        "8 training images in 2 classes from photos/ (cat, dog), 2 validation images (a fifth of each class)",
    ),
}

REFUSED = {
    "parts without classes": (
        ["train/5", "test/5"],
        (
            "in two ways: `test/` and `train/` contain parts of a dataset, but no class folders, or "
            "`test/` and `train/` are classes"
        ),
    ),
    "parts with a common word without classes": (["my_train/5", "my_val/5"], "`my_train/` and `my_val/` are classes"),
    "test images among classes": (["cat/5", "dog/5", "test/5"], "`test/` is a class"),
    "classes and a part": (
        ["cat/5", "dog/5", "test/cat/1", "test/dog/1"],
        (
            "`cat/` and `dog/` are the training classes, and `test/` contains another part, or "
            "all of `cat/`, `dog/` and `test/` are classes"
        ),
    ),
    "a training part and another folder": (
        ["train/a/5", "train/b/5", "more/5"],
        "the classes are the folders in `train/`, or all of `more/` and `train/` are classes",
    ),
    "two training parts": (
        ["train/a/5", "train/b/5", "Training/a/5", "Training/b/5"],
        "the training images are those of `Training/`, or those of `train/`",
    ),
    "two validation parts": (
        ["train/a/5", "train/b/5", "val/a/5", "val/b/5", "valid/a/5", "valid/b/5"],
        "the validation images are those of `val/`, or those of `valid/`",
    ),
    "parts without the training part": (["val/a/5", "val/b/5", "test/a/5", "test/b/5"], "contain other parts"),
    "parts in each class": (
        ["a/train/5", "a/test/5", "b/train/5", "b/test/5"],
        (
            "each class contains its own parts: `a/` contains `test/` and `train/`, or all images of `a/` "
            "belong to one part"
        ),
    ),
    "parts with unknown names": (
        ["fold1/a/5", "fold1/b/5", "fold2/a/5", "fold2/b/5"],
        "`fold1/` and `fold2/` are parts with the classes `a/` and `b/`, or `fold1/` and `fold2/` are classes",
    ),
    "a class that is not trained": (
        ["train/cat/5", "train/dog/5", "val/cat/1", "val/dogs/1"],
        "has the class `dogs`, which `photos/train` does not have",
    ),
    "a class of files that cannot be read": (["a/5", "b/x.heic"], "the class `b` has no images"),
    "an empty class": (["train/a/5", "train/b/5", "train/c/0", "val/a/1"], "the class `c` has no images"),
    "one image in every class": (["a/1", "b/1"], "is left for validation: every class has only one"),
    "one class": (["a/5"], "has 1 folder with images, but you need at least two: one for each class"),
    "no class": (["5"], "has 0 folders with images"),
    "one class twice, for Unicode": (["caf\u00e9/5", "cafe\u0301/5", "tea/5"], "in two Unicode forms"),
}


@pytest.mark.parametrize("name", READ)
def test_layouts_that_are_read(name: str, folder: Path) -> None:
    files, said = READ[name]
    plant(Path("photos"), *files)
    assert "\n".join(load_data("folder:photos").notes) == said


@pytest.mark.parametrize("name", REFUSED)
def test_layouts_that_are_refused(name: str, folder: Path) -> None:
    files, said = REFUSED[name]
    plant(Path("photos"), *files)
    with pytest.raises(SpecError) as caught:
        load_data("folder:photos")
    assert [problem.code for problem in caught.value.problems] == ["E0702"]
    assert said in str(caught.value)


ROLES: dict[str, Any] = {
    "train": (Role.TRAINING, ()),
    "TRAIN": (Role.TRAINING, ()),
    "Training Set": (Role.TRAINING, ()),
    "traindir": (Role.TRAINING, ()),
    "trainFolder": (Role.TRAINING, ()),
    "testdataset": (Role.TEST, ()),
    "valsplit": (Role.VALIDATION, ()),
    "trainImages": (Role.TRAINING, ()),
    "train2017": (Role.TRAINING, ()),
    "valid": (Role.VALIDATION, ()),
    "val_images": (Role.VALIDATION, ()),
    "seg_test": (Role.TEST, ("seg",)),
    "01-testing": (Role.TEST, ()),
    "training_validation": None,
    "trainer": None,
    "contest": None,
    "": None,
}


@pytest.mark.parametrize("name", ROLES)
def test_what_a_name_says(name: str) -> None:
    assert role_of(name) == ROLES[name]


NAMES = {
    Role.TRAINING: ["train", "training", "trainset", "train_images", "train data", "traindir", "trainfolder"],
    Role.VALIDATION: ["val", "valid", "validation", "dev", "val_set", "valdir", "val_folder"],
    Role.TEST: ["test", "testing", "testset", "test-images", "testdataset", "test files"],
}
LEFT = [".ipynb_checkpoints", "__MACOSX", ".DS_Store", "@eaDir", "$RECYCLE.BIN", ".hidden"]


def random_layout(base: Path, rng: random.Random) -> tuple[dict[str, set[str]], dict[str, set[str]] | None]:
    """Make a layout that has one reading; its images to train on, and validation images unless these are drawn."""
    expected: list[dict[str, set[str]]] = []
    prefix = "".join(f"{word}/" for word in rng.sample(["data", "archive", "my photos"], rng.randrange(3)))
    classes = rng.sample(["cat", "dog", "Äpfel", "x y", "0", "train station", "contest"], rng.randrange(2, 5))
    common = rng.choice(["", "", "seg_", "asl alphabet "])
    held = rng.choice([None, Role.VALIDATION, Role.TEST])
    parts = [""] if held is None else [common + rng.choice(NAMES[role]) for role in (Role.TRAINING, held)]
    for part in parts:
        cased = rng.choice([str.lower, str.upper, str.title])(part)
        place = prefix + (f"{cased}/" if cased else "")
        if cased and rng.random() < 0.3:
            place += f"{cased}/"
        found: dict[str, set[str]] = {}
        for name in classes:
            below = rng.choice(["", "", "images/", "a/b/"])
            count = rng.randrange(2, 12)
            plant(base, f"{place}{name}/{below}{count}")
            found[name] = {f"{place}{name}/{below}{number}.png" for number in range(count)}
            if rng.random() < 0.3:
                plant(base, f"{place}{name}/{rng.choice(LEFT)}/3", f"{place}{name}/._0.png")
        expected.append(found)
    for _ in range(rng.randrange(3)):
        plant(base, f"{rng.choice(['', prefix])}{rng.choice(LEFT)}/{classes[0]}/4")
    return expected[0], expected[1] if len(expected) > 1 else None


@pytest.mark.parametrize("seed", range(60))
def test_random_layouts_are_read_as_they_were_made(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    train, validation = random_layout(tmp_path / "photos", rng)
    found, held, notes = read(tmp_path / "photos")
    if validation is None:
        for name, images in train.items():
            assert found[name] | held[name] == images
            assert not found[name] & held[name]
            assert len(held[name]) == max(1, len(images) // 5)
    else:
        assert (found, held) == (train, validation)
    assert notes[0].startswith(f"{sum(map(len, found.values()))} training image")


UNKNOWN = [
    ("train_full", "val_small"),
    ("train-clean", "test-noisy"),
    ("raw_train", "processed_test"),
    ("training_a", "validation_b"),
    ("fold1", "fold2", "fold3"),
    ("tr", "te"),
    ("Entrenamiento", "Prueba"),
    ("images", "masks"),
    ("train", "te"),
    ("tr", "val"),
]


@pytest.mark.parametrize("seed", range(40))
def test_parts_of_any_names_are_never_the_classes(seed: int, tmp_path: Path) -> None:
    """Folders of the same classes are read as parts where the names say so, and else refused with both readings."""
    rng = random.Random(seed)
    known = [rng.choice(NAMES[role]) for role in (Role.TRAINING, rng.choice([Role.VALIDATION, Role.TEST]))]
    parts = rng.choice([known, *UNKNOWN])
    classes = rng.sample(["cat", "dog", "Äpfel", "x y", "0"], rng.randrange(2, 5))
    for part in parts:
        wrapped = rng.choice([part, f"{part}/{part}"])
        for name in classes if part == parts[0] else rng.sample(classes, rng.randrange(2, len(classes) + 1)):
            plant(tmp_path, f"{wrapped}/{name}/{rng.randrange(1, 4)}")
    if parts is known:
        assert load_data(f"folder:{tmp_path}").classes == tuple(sorted(classes))
        return
    with pytest.raises(SpecError, match="can be read in two ways") as caught:
        load_data(f"folder:{tmp_path}")
    assert all(f"`{part}/`" in str(caught.value) for part in parts)


def test_links_are_followed_but_not_in_circles(folder: Path) -> None:
    plant(Path("elsewhere"), "5")
    plant(Path("photos"), "dog/5")
    Path("photos/cat").symlink_to(Path("elsewhere").absolute())
    Path("photos/dog/again").symlink_to(Path("photos").absolute())
    found, held, _ = read(Path("photos"))
    assert [len(found[name] | held[name]) for name in ("cat", "dog")] == [5, 5]


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse such names")
def test_folder_names_that_are_not_utf8(folder: Path) -> None:
    """As a class they are refused; elsewhere they are names like others."""
    plant(Path("photos"), "cat/5")
    os.makedirs(b"photos/caf\xe9")
    Path("photos", os.fsdecode(b"caf\xe9"), "0.png").touch()
    with pytest.raises(SpecError, match=r"the folder name `caf\\xe9` is not UTF-8"):
        load_data("folder:photos")


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse such names")
@pytest.mark.parametrize("name", [b"caf\xe9", b"$x_$", b"a\x1b[31m", "照片".encode()])
def test_a_folder_of_any_name_is_trained_on(name: bytes, sh: Shell) -> None:
    """Neither run.json nor the curves' title stumble over it, and the run can be used again."""
    from PIL import Image

    for number in range(8):
        place = Path(os.fsdecode(name), ("dark", "light")[number % 2])
        place.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 200 * (number % 2) + number).save(place / f"{number}.png")
    words = ["--data", f"folder:{os.fsdecode(name)}", "--epochs", "1", "--workers", "0", "--channels", "1"]
    code, _, err = sh("train", "small.yaml", *words, "--batch-size", "3", "--out", "run")
    assert code == 0, err
    assert "6 training images in 2 classes" in err
    code, out, err = sh("eval", "run")
    assert (code, "2 images" in out) == (0, True), err


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse such names")
@pytest.mark.parametrize("name", [b"rnu\xff", b"a\x1b[31m", "照片".encode()])
def test_a_run_folder_of_any_name_is_used_again(name: bytes, sh: Shell) -> None:
    """By every command that reads it, also as weights in both formats."""
    from PIL import Image

    run, copy = os.fsdecode(name), os.fsdecode(name + b".pth")
    options = ["--batch-size", "32", "--limit", "64", "--workers", "0"]
    Image.new("L", (8, 8)).save("0.png")
    for words in (
        ["train", "small.yaml", "--data", "digits", "--epochs", "1", *options, "--out", run],
        ["eval", run],
        ["predict", run, "0.png"],
        ["train", "--resume", run, "--epochs", "2"],
        ["train", "small.yaml", "--data", "digits", "--epochs", "1", *options, "--weights", run, "--out", "a"],
        ["build", "small.yaml", "--weights", f"{run}/best.safetensors", "--save", copy],
        ["build", "small.yaml", "--weights", copy],
    ):
        code, _, err = sh(*words)
        assert code == 0, (words, err)
