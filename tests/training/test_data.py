"""Data sets, and images as the network receives them."""

from __future__ import annotations

import gzip
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image, JpegImagePlugin
from torchvision.transforms import functional as pillow

import archc
from archc.problems import SpecError
from archc.training import Images
from archc.training.augment import Draw, Preparation, epoch_draws, epoch_order, random_part, resize, statistics
from archc.training.batches import Reading, ResidentBatches, epoch_rows, read_image
from archc.training.data import FolderImages, load_data
from archc.training.data.catalogue import DEBIAN


def said(action: Any, code: str = "E0702") -> str:
    with pytest.raises(SpecError) as caught:
        action()
    assert [problem.code for problem in caught.value.problems] == [code]
    return str(caught.value)


def resident(images: Images | FolderImages) -> Images:
    assert isinstance(images, Images)
    return images


def write_idx(folder: Path, count: int = 6) -> None:
    """MNIST's four files, two of them compressed, with `count` images."""
    for prefix in ("train", "t10k"):
        pixels = struct.pack(">HBBIII", 0, 8, 3, count, 4, 5) + bytes(range(count * 20))
        labels = struct.pack(">HBBI", 0, 8, 1, count) + bytes(range(count))
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(pixels))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(labels)


def test_digits_are_the_1797_of_uci() -> None:
    """180 of each class, nearly; sizes, levels and the fixed split."""
    data = load_data("digits")
    train, validation = resident(data.train), resident(data.validation)
    assert (len(train), len(validation), data.shape) == (1437, 360, (1, 8, 8))
    counts = torch.bincount(torch.cat([train.labels, validation.labels]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # as scikit-learn tells them
    assert int(train.pixels.max()) == 255
    assert not data.mirrored


@pytest.mark.parametrize("size", [8, 33, 64])
def test_shapes_are_the_same_every_time(size: int) -> None:
    one, other = load_data(f"shapes:{size}:200"), load_data(f"shapes:{size}:200")
    assert torch.equal(resident(one.train).pixels, resident(other.train).pixels)
    assert resident(one.train).pixels.shape == (200, 3, size, size)
    assert torch.bincount(resident(one.train).labels).tolist() == [20] * 10
    assert len(one.validation) == 40
    assert not torch.equal(resident(one.train).pixels[:40], resident(one.validation).pixels)


def test_idx_files_of_mnist_are_read(tmp_path: Path) -> None:
    write_idx(tmp_path)
    for name in ("mnist", "fashion-mnist"):
        data = load_data(name, tmp_path)
        assert data.shape == (1, 4, 5)
        assert resident(data.train).labels.tolist() == list(range(6))
        assert resident(data.train).pixels[1].flatten().tolist() == list(range(20, 40))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 6) + bytes([0, 1, 200, 3, 4, 5]))
    wrong = said(lambda: load_data("mnist", tmp_path))
    assert "validation image 3 has the label 200, but mnist has 10 classes" in wrong
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 5) + bytes(5))
    assert "do not match" in said(lambda: load_data("mnist", tmp_path))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 6) + bytes(5))
    assert "cannot be read" in said(lambda: load_data("mnist", tmp_path))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 1, 8, 1, 6) + bytes(6))
    assert "is not an IDX file" in said(lambda: load_data("mnist", tmp_path))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"no gzip")
    assert "download the file again" in said(lambda: load_data("mnist", tmp_path))


def test_cifar_is_read_in_torchvisions_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR's own files with a few images each: planes of red, green and blue."""
    from torchvision.datasets import CIFAR10

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    pixels = torch.arange(2 * 3072).remainder(251).to(torch.uint8).reshape(2, 3072)
    for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        (folder / name).write_bytes(pickle.dumps({"data": pixels.numpy(), "labels": [1, 0]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["plane", "car"]}))
    monkeypatch.setattr(CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": None})
    data = load_data("cifar10", tmp_path)
    assert (len(data.train), len(data.validation), data.shape) == (10, 2, (3, 32, 32))
    assert torch.equal(resident(data.validation).pixels, pixels.reshape(2, 3, 32, 32))
    assert data.classes == ("plane", "car")


WRONG = {
    "digit": "did you mean `digits`?",
    "digits:8": "digits: 1,797 grayscale 8×8 handwritten digits",
    "folder": "folder:PATH",
    "shapes:big": "shapes:SIZE:COUNT",
    "shapes:4": "8 to 1024 pixels",
    "cifar10": "`cifar10` is not in the folder `data`",
    "mnist": "--download",
    "folder:nowhere": "`nowhere` is not a folder",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_data_set_that_is_not_there(name: str) -> None:
    assert WRONG[name] in said(lambda: load_data(name))


def picture(path: Path, width: int = 10, height: int = 10, level: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (level, 0, 255 - level)).save(path)


def test_a_folder_is_split_the_same_way_every_time() -> None:
    for name in ("cat", "dog"):
        for number in range(10):
            picture(Path("pets", name, f"{number}.jpg"))
    Path("pets/cat/notes.txt").write_text("no image")
    one, other = load_data("folder:pets"), load_data("folder:pets")
    assert one == other
    assert isinstance(one.train, FolderImages)
    assert isinstance(one.validation, FolderImages)
    assert (one.classes, one.train.labels.count(0), one.validation.labels) == (("cat", "dog"), 8, (0, 0, 1, 1))
    assert not set(one.train.paths) & set(one.validation.paths)
    few = load_data("folder:pets", limit=4)
    assert isinstance(few.train, FolderImages)
    assert few.train.labels == (0, 0, 1, 1)


def test_imagenets_layout_and_what_can_be_wrong_with_it() -> None:
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            picture(Path("pets", part, name, "1.png"))
    data = load_data("folder:pets")
    assert (len(data.train), len(data.validation), data.name) == (2, 2, "pets")
    picture(Path("pets/val/horse/1.png"))
    assert "`pets/val` has the class `horse`, which `pets/train` does not have" in said(
        lambda: load_data("folder:pets")
    )
    Path("pets/train/horse").mkdir()
    assert "the class `horse` has no images" in said(lambda: load_data("folder:pets"))
    Path("empty").mkdir()
    assert "has 0 folders with images" in said(lambda: load_data("folder:empty"))


def test_resizing_is_pillows() -> None:
    """Bit for bit from the sizes of MNIST and CIFAR, as the notebook's Resize."""
    pixels = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for image in (*pixels, *pixels[:, :, :28, :28]):
        small = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
        expected = pillow.pil_to_tensor(pillow.resize(small, [224, 224]))
        assert torch.equal(resize(image[None], 224, 224)[0], expected)


def preparation(**options: Any) -> Preparation:
    return Preparation(1, 8, 8, (0.0,), (1 / 255,), **options)


def test_order_and_draws_follow_from_seed_and_epoch_alone() -> None:
    assert torch.equal(epoch_order(3, 5, 100), epoch_order(3, 5, 100))
    assert torch.equal(epoch_draws(3, 5, 100), epoch_draws(3, 5, 100))
    tables = [epoch_draws(seed, epoch, 50) for seed in range(4) for epoch in range(4)]
    assert len({tuple(table.flatten().tolist()) for table in tables}) == 16
    assert sorted(epoch_order(0, 0, 100).tolist()) == list(range(100))


def test_each_image_has_a_draw_of_its_own() -> None:
    """Mirrors and shifts differ within a batch, and an image's is the same in any batch."""
    image = torch.arange(64, dtype=torch.uint8).reshape(1, 1, 8, 8).expand(200, -1, -1, -1)
    draws = epoch_draws(0, 0, 200)
    prepared = preparation(flip=True, pad=1).training(image, draws)
    assert len({tuple(one.flatten().tolist()) for one in prepared}) == 18  # 3 × 3 places, mirrored or not
    assert torch.equal(preparation(flip=True, pad=1).training(image[7:20], draws[7:20]), prepared[7:20])


def test_mirrors_and_shifts_are_what_they_say() -> None:
    """Held against torch's own flip and padding, image by image."""
    pixels = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    draws = epoch_draws(1, 0, 40)
    found = preparation(flip=True, pad=2).training(pixels, draws)
    for image, row, one in zip(pixels, draws, found, strict=True):
        padded = torch.nn.functional.pad(image, (2, 2, 2, 2))
        top, left = int(row[Draw.SHIFT_Y] * 5), int(row[Draw.SHIFT_X] * 5)
        if row[Draw.FLIP] < 0.5:
            # The shift counts in the mirrored image's columns.
            columns = 7 - torch.arange(8) + left
        else:
            columns = torch.arange(8) + left
        assert torch.allclose(one, padded[:, top : top + 8][:, :, columns].float(), atol=1e-3)


def test_cutout_blanks_a_square_of_its_size() -> None:
    pixels = torch.full((300, 1, 8, 8), 200, dtype=torch.uint8)
    blank = preparation(cutout=4).training(pixels, epoch_draws(0, 0, 300)) == 0
    sizes = blank.flatten(1).sum(1)
    assert int(sizes.max()) == 16
    assert int(sizes.min()) == 4  # the centre lies anywhere: a corner keeps two rows and columns
    inner = blank.any(1)
    assert bool((inner.any(1).sum(1) * inner.any(2).sum(1) == sizes).all())  # a rectangle


def test_random_parts_have_the_areas_and_proportions_of_the_paper() -> None:
    height, width, top, left = random_part(epoch_draws(0, 0, 5000))
    area = height * width
    assert float(area.min()) > 0.06  # 8 % and more, a little less where a side is cut to the image's
    assert 0.5 < float(area.mean()) < 0.56
    free = (height < 1) & (width < 1)
    ratio = (width / height)[free]
    assert float(ratio.min()) >= 3 / 4 - 1e-4
    assert float(ratio.max()) <= 4 / 3 + 1e-4
    assert bool(((top >= 0) & (top + height <= 1 + 1e-6) & (left >= 0) & (left + width <= 1 + 1e-6)).all())


def test_a_random_part_shows_that_part() -> None:
    """A ramp from left to right: the part's ends are where the draws say."""
    ramp = torch.arange(64, dtype=torch.uint8).mul(4).expand(100, 1, 64, 64)
    draws = epoch_draws(2, 0, 100)
    found = Preparation(1, 32, 32, (0.0,), (1 / 255,), random_crop=True).training(ramp, draws)
    _, width, _, left = random_part(draws)
    middle = (left + width / 2) * 256 - 2
    assert torch.allclose(found[:, 0].mean((1, 2)), middle, atol=2.5)


def test_statistics_are_means_and_deviations() -> None:
    pixels = torch.randint(0, 256, (5000, 3, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = statistics(pixels, 3)
    levels = pixels.double() / 255
    assert mean == pytest.approx(levels.mean((0, 2, 3)).tolist(), abs=1e-4)
    assert std == pytest.approx(levels.std((0, 2, 3)).tolist(), abs=1e-4)
    assert len(statistics(pixels, 1)[0]) == 1


def test_files_are_cropped_in_the_middle_and_resized(tmp_path: Path) -> None:
    """A wide image: the ends are cut off, the middle fills the input."""
    image = Image.new("RGB", (60, 20), (0, 0, 0))
    image.paste((255, 255, 255), (20, 0, 40, 20))
    image.save(tmp_path / "wide.png")
    pixels = read_image(tmp_path / "wide.png", Reading(3, 10, 10, False, 1.0, False))
    assert pixels.shape == (3, 10, 10)
    assert int(pixels.min()) == 255
    grey = read_image(tmp_path / "wide.png", Reading(1, 8, 16, False, 0.5, False))
    assert grey.shape == (1, 8, 16)
    right = read_image(tmp_path / "wide.png", Reading(3, 10, 10, True, 1.0, False), [1.0, 1 / 3, 0.0, 2 / 3])
    assert right.shape == (3, 10, 10)
    assert int(right.max()) == 0


SMOOTH = Image.effect_noise((32, 24), 90).resize((1600, 1200), Image.Resampling.BICUBIC).convert("RGB")


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("part", [None, [0.5, 0.6, 0.3, 0.1], [0.1, 0.1, 0.5, 0.5]], ids=["middle", "half", "tenth"])
def test_large_jpegs_are_decoded_smaller_and_look_the_same(
    part: list[float] | None, orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An eighth of the pixels is enough for the whole, but not for a tenth of each side."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    SMOOTH.save(tmp_path / "large.jpg", quality=95, exif=exif)
    SMOOTH.save(tmp_path / "large.png", exif=exif)
    sizes: list[tuple[int, int]] = []
    load = JpegImagePlugin.JpegImageFile.load

    def noted(self: Any) -> Any:
        sizes.append(self.size)
        return load(self)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", noted)
    reading = Reading(3, 64, 64, part is not None, 1.0, False)
    jpeg, png = (read_image(tmp_path / f"large.{kind}", reading, part).int() for kind in ("jpg", "png"))
    assert (jpeg - png).abs().float().mean() < 2
    width = min(size[0] for size in sizes)
    assert width == {None: 200, 0.5: 400, 0.1: 1600}[part and part[0]]
    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "draft", lambda _self, _mode, _size: None)
    whole = read_image(tmp_path / "large.jpg", reading, part).int()
    assert (jpeg - whole).abs().float().mean() < 1.5


def test_a_jpeg_of_less_than_twice_the_size_is_decoded_as_it_is(tmp_path: Path) -> None:
    SMOOTH.resize((150, 120)).save(tmp_path / "small.jpg")
    with Image.open(tmp_path / "small.jpg") as image:
        pixels = torch.from_numpy(numpy.array(image)).permute(2, 0, 1)[None, :, :, 15:135]
    assert torch.equal(
        read_image(tmp_path / "small.jpg", Reading(3, 64, 64, False, 1.0, False)), resize(pixels, 64, 64)[0]
    )


def test_batches_of_several_processes_make_up_those_of_one() -> None:
    images = Images(torch.arange(50, dtype=torch.uint8).reshape(50, 1, 1, 1), torch.arange(50))
    order = epoch_order(0, 0, 50)
    whole = [sorted(rows.tolist()) for rows, _ in epoch_rows(order, 16, 0, 1)]
    parts = [epoch_rows(order, 16, rank, 3) for rank in range(3)]
    together = [sorted(torch.cat([part[step][0] for part in parts]).tolist()) for step in range(len(parts[0]))]
    assert together == whole[:3]  # the last batch, of two images, has none for a third process
    batches = ResidentBatches(images, torch.device("cpu"))
    rows = [rows for rows, _ in epoch_rows(order, 16, 0, 1)]
    for own, batch in zip(rows, batches.of(rows, epoch_draws(0, 0, 50)), strict=True):
        assert torch.equal(batch.labels, own)
        assert torch.equal(batch.draws, epoch_draws(0, 0, 50)[own])


def test_data_that_does_not_fit_the_network() -> None:
    """Classes, channels and sizes: both numbers are told, before a step."""
    options: dict[str, Any] = {"quiet": True, "epochs": 1, "limit": 40, "out": "run"}
    spec = Path("small.yaml").read_text().replace("linear: $num_classes", "linear: 7").replace("num_classes: 10, ", "")
    Path("seven.yaml").write_text(spec)
    assert "Small has 7 outputs, but the dataset has 10 classes" in said(
        lambda: archc.train("seven.yaml", **options), "E0703"
    )
    grey = said(lambda: archc.train("torchvision.models:resnet18", "digits", **options), "E0703")
    assert "expects images with 3 channels, but the dataset has 1" in grey
    assert "--channels 3" in grey
    maps = "name: Maps\ninput: [1, 8, 8]\nlayers:\n  conv: {conv2d: {out_channels: 10, kernel_size: 3}}\n"
    Path("maps.yaml").write_text(maps)
    assert "is 10×6×6, not one score per class" in said(lambda: archc.train("maps.yaml", **options), "E0703")
    wrong = said(lambda: archc.train("small.yaml", mean=[0.5, 0.5], **options), "E0703")
    assert "`mean` has 2 values, but the network's input has 1 channels" in wrong


HEADS: dict[str, tuple[str, str, str]] = {
    "a number": (
        "layers: [flatten, {linear: 7}]",
        "`linear: 10`; with `arguments: {num_classes: 10}` and",
        "linear: 10",
    ),
    "a number before an activation": (
        "layers: [flatten, {linear: {out_features: 7, bias: false}}, relu]",
        "write `linear: 10`",
        "out_features: 10",
    ),
    "a number in a block": (
        "blocks: {Head: {layers: [flatten, {linear: 7}]}}\nlayers: [relu, Head]",
        "write `linear: 10`",
        "linear: 10",
    ),
    "channels": (
        "layers: [{conv2d: {out_channels: 7, kernel_size: 3}}, relu, {adaptive_avg_pool2d: 1}, flatten]",
        "give this layer 10 outputs",
        "out_channels: 10",
    ),
    "an argument": ("arguments: {n: 7}\nlayers: [flatten, {linear: $n}]", "--set n=10", "n: 10"),
    "an argument in an expression": (
        "arguments: {width: 7, n: 7}\nlayers: [flatten, {linear: $width}, {linear: $(n + 0)}]",
        "--set n=10",
        "n: 10",
    ),
    "num_classes of another layer": (
        "arguments: {num_classes: 3}\nlayers: [flatten, {linear: $num_classes}, {linear: 7}]",
        "write `linear: 10`; with `$num_classes` here",
        "linear: 10",
    ),
    "a feature map": (
        "layers: [{conv2d: {out_channels: 7, kernel_size: 3}}]",
        "end the network with one score per class: `adaptive_avg_pool2d: 1`, `flatten` and `linear: 10`",
        "}, {adaptive_avg_pool2d: 1}, flatten, {linear: 10}]",
    ),
    "a feature map beside num_classes": (
        "arguments: {num_classes: 3}\nlayers: [{conv2d: {out_channels: $num_classes, kernel_size: 3}}]",
        "end the network with one score per class: `adaptive_avg_pool2d: 1`, `flatten` and `linear: $num_classes`",
        "}, {adaptive_avg_pool2d: 1}, flatten, {linear: $num_classes}]",
    ),
}
"""Networks that don't give ten scores, part of the advice, and the text that follows it."""


@pytest.mark.parametrize("name", HEADS)
def test_the_advice_for_other_outputs_works(name: str) -> None:
    """It names what is in the network, at the layer that has the outputs; a network changed accordingly is trained."""
    layers, advice, change = HEADS[name]
    options: dict[str, Any] = {"quiet": True, "epochs": 1, "limit": 40, "workers": 0}
    spec = f"name: Small\ninput: [1, 8, 8]\n{layers}\n"
    Path("net.yaml").write_text(spec)
    with pytest.raises(SpecError) as caught:
        archc.train("net.yaml", **options, out="run")
    (problem,) = caught.value.problems
    assert problem.code == "E0703"
    assert advice in problem.help
    assert ("here" in problem.help or "this layer" in problem.help) == (problem.mark is not None)
    old = "}]" if change.startswith("}, ") else change.replace("10", "7")
    if problem.mark is not None:
        assert problem.mark.line == spec[: spec.rindex(old)].count("\n") + 1
    before, _, after = spec.rpartition(old)
    Path("net.yaml").write_text(before + change + after)
    archc.train("net.yaml", **options, out="run")


def test_the_advice_for_classes_in_python() -> None:
    for head, said_of in (
        ("self, n=7", "(--set NAME=10), or call it `num_classes`"),
        ("self", "give Net an argument `num_classes`"),
        ("self, num_classes=7", "give its last layer 10 outputs"),
    ):
        text = "import torch\n\nclass Net(torch.nn.Sequential):\n"
        text += f"    def __init__({head}):\n        super().__init__(torch.nn.Flatten(), torch.nn.LazyLinear(7))\n"
        Path("net.py").write_text(text)
        assert said_of in said(lambda: archc.train("net.py", quiet=True, limit=40, out="run"), "E0703")


def test_grey_images_for_a_colour_network_and_back() -> None:
    options: dict[str, Any] = {"quiet": True, "epochs": 1, "limit": 32, "batch_size": 16}
    result = archc.train("small.yaml", "digits", channels=3, out="colour", **options)
    assert result.model.conv1.weight.shape[1] == 3
    result = archc.train("small.yaml", "shapes:16", channels=1, out="grey", **options)
    assert result.model.conv1.weight.shape[1] == 1


@pytest.mark.slow
def test_fashion_mnist_is_learnt_in_minutes() -> None:
    """The real set, with the spec and the options that docs/training.md shows: 91 % and more of the test images."""
    if not DEBIAN.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    document = (Path(__file__).parents[2] / "docs" / "training.md").read_text("utf-8")
    Path("fashion.yaml").write_text(document.partition("# file: fashion.yaml\n")[2].partition("```")[0])
    result = archc.train("fashion.yaml", "fashion-mnist", epochs=6, lr=0.002, quiet=True, out="run")
    assert result.best["val_accuracy"] >= 0.91
