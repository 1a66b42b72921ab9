"""Weights from elsewhere: what is loaded, and the reason for everything that is not."""

from __future__ import annotations

import argparse
import collections
import os
import random
import re
import resource
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save, save_file
from shell import Shell

import archc
from archc.build.foreign import Unusable, load_pickled, read_state
from archc.build.matching import matched, renamed
from archc.build.weights import load_weights, save_state
from archc.problems import SpecError

State = dict[str, torch.Tensor]
STATE: State = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.zeros(2), "n": torch.tensor(3)}


def changed(value: torch.Tensor) -> State:
    return {**STATE, "a.bias": value}


def in_a_circle() -> Any:
    found: dict[str, Any] = {}
    found["model"] = {"state_dict": found}
    return found


def quantized() -> torch.Tensor:
    return torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.qint8)


class Own(torch.nn.Module):
    """A module that somebody saves as a whole."""


def part_of_torch() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(3, 2))


UNUSABLE: dict[str, tuple[Callable[[], Any], str, str]] = {
    "NaN": (lambda: changed(torch.tensor([0.0, torch.nan])), "`a.bias` has 1 values of 2 that are NaN", "diverged"),
    "NaN in half precision": (lambda: changed(torch.tensor([0.0, torch.nan]).half()), "that are NaN", ""),
    "complex": (lambda: changed(torch.zeros(2, dtype=torch.complex64)), "`a.bias` has complex values", "real part"),
    "meta": (lambda: changed(torch.zeros(2, device="meta")), "`a.bias` has a shape but no values", ""),
    "sparse": (lambda: changed(torch.zeros(2).to_sparse()), "`a.bias` is sparse", "to_dense"),
    "compressed rows": (lambda: changed(torch.eye(2).to_sparse_csr()), "`a.bias` is sparse", "to_dense"),
    "quantized": (lambda: changed(quantized()), "`a.bias` is quantized", "dequantize"),
    "expanded": (lambda: changed(torch.zeros(1).expand(2**40)), "repeats the values of a smaller tensor", "contiguous"),
    "a circle": (in_a_circle, "refer to each other in a circle", ""),
    "two state dicts": (
        lambda: {"weights": changed(torch.ones(2)), "config": {}, "model": {"state_dict": STATE}},
        "it contains 2 state dicts, `model` and `weights`",
        "the one that you mean",
    ),
    "a list": (lambda: [torch.zeros(2)], "but a list", ""),
    "nothing": (lambda: None, "but None", ""),
    "a tensor": (lambda: torch.zeros(2), "but a Tensor", ""),
    "a number among them": (lambda: {**STATE, "epoch": 3}, "`epoch` is an int", "under state_dict, model_state_dict"),
    "numbered": (lambda: {0: torch.zeros(2)}, "it has a key that is an int", ""),
    "numpy's numbers": (
        lambda: {"state_dict": STATE, "accuracy": numpy.float64(0.5)},
        "numpy",
        "save numbers as float(x) instead of numpy's",
    ),
    "arguments": (
        lambda: {"state_dict": STATE, "args": argparse.Namespace(lr=0.1)},
        "it holds objects of `argparse.Namespace`, and archc runs no code from a file",
        "save vars(args) instead of the Namespace",
    ),
    "a class": (lambda: {"state_dict": STATE, "net": Own()}, "Own`", "torch.save(model.state_dict(), path)"),
    "a whole module": (part_of_torch, "`torch.nn.modules.", "torch.save(model.state_dict(), path)"),
}


@pytest.mark.parametrize("old", [False, True], ids=["", "older format"])
@pytest.mark.parametrize("name", UNUSABLE)
def test_what_is_not_loaded_has_its_reason(name: str, old: bool, tmp_path: Path) -> None:
    make, reason, help = UNUSABLE[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # these kinds of tensors are young, or old
        torch.save(make(), tmp_path / "x.pth", _use_new_zipfile_serialization=not old)
    with pytest.raises(Unusable) as caught:
        read_state(tmp_path / "x.pth")
    assert reason in str(caught.value)
    assert help in caught.value.help


def wrapped(content: State) -> dict[str, Any]:
    return {
        "as it is": content,
        "in a checkpoint": {"epoch": 3, "state_dict": content},
        "in two": {"model": {"step": 1, "model_state_dict": content}},
        "parallel": {f"module.{key}": value for key, value in content.items()},
        "compiled and parallel": {"model": {f"module._orig_mod.{key}": value for key, value in content.items()}},
        "Lightning": {"state_dict": {f"model.{key}": value for key, value in content.items()}, "hyper_parameters": {}},
        "another's key": {"net": content, "acc": 93.1},
        "beside a mapping without tensors": {"model": {"depth": 18}, "net": content, "weights": content},
        "ordered": collections.OrderedDict(content),
        "parameters": {k: torch.nn.Parameter(v) if v.is_floating_point() else v for k, v in content.items()},
        "views": {key: torch.stack([value, value])[1] for key, value in content.items()},
    }


@pytest.mark.parametrize("name", wrapped(STATE))
def test_state_dicts_are_found(name: str, tmp_path: Path) -> None:
    torch.save(wrapped(STATE)[name], tmp_path / "x.pth")
    found = matched(read_state(tmp_path / "x.pth"), STATE)
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[key], STATE[key]) for key in STATE)


def test_a_name_that_the_network_has_is_not_removed() -> None:
    own = {f"module.{key}": value for key, value in STATE.items()}
    assert matched(own, own).keys() == own.keys()
    assert matched({f"module.{key}": value for key, value in own.items()}, own).keys() == own.keys()
    assert matched(STATE, own).keys() == STATE.keys()  # nothing is added


NAMES = st.text("ab1.", min_size=1, max_size=8)


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_what_the_stars_stand_for_is_kept(pieces: list[str]) -> None:
    """A pattern and a new name with other texts between the stars; a key that no pattern fits stays."""
    key, name = "/".join(pieces), "|".join(pieces)
    stars = ["*"] * len(pieces)
    assert renamed(key, {"/".join(stars): "|".join(stars)}) == name
    assert renamed(key, {"/".join(stars): None}) is None
    assert renamed(key, {f"#{'/'.join(stars)}": "|".join(stars)}) == key


def test_two_keys_never_become_one() -> None:
    """A key is not renamed to one that the file has, too, so that the file is refused with its own name."""
    own = {"norm1.weight": torch.zeros(2)}
    found = matched({"norm1.weight": torch.ones(2), "norm.1.weight": torch.ones(2)}, own, {"norm.1.*": "norm1.*"})
    assert found.keys() == {"norm1.weight", "norm.1.weight"}


@pytest.mark.parametrize("name", ["densenet121", "densenet161"])
def test_weights_as_torchvision_publishes_them(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published DenseNets have the names of their first version, and no counters: torchvision renames them."""
    torch.manual_seed(0)
    published = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key): torch.rand(tensor.shape)
        for key, tensor in archc.load(name).build().state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in published
    torch.save(published, tmp_path / "published.pth")
    weights = torchvision.models.get_model_weights(name).DEFAULT
    monkeypatch.setattr(type(weights), "get_state_dict", lambda *_args, **_keywords: dict(published))
    theirs = torchvision.models.get_model(name, weights=weights).state_dict()
    ours = archc.load(name).build()
    load_weights(ours, tmp_path / "published.pth", renames=archc.load(name).network.spec.checkpoint_keys)
    assert_same_state(ours.state_dict(), theirs)


def assert_same_state(one: State, other: State) -> None:
    assert one.keys() == other.keys()
    for key, tensor in one.items():
        assert torch.equal(tensor, other[key]), key


def deflate(source: Path, target: Path, repeat: int) -> None:
    """An archive of torch's with compressed entries, of which the tensors' are `repeat` times as long."""
    with zipfile.ZipFile(source) as one, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as other:
        for entry in one.infolist():
            content = one.read(entry)
            other.writestr(entry.filename, content * (repeat if "/data/" in entry.filename else 1))


def test_an_archive_that_expands_is_refused_by_its_size(tmp_path: Path) -> None:
    """Before anything of it is read; one that was only packed again is loaded."""
    torch.save({"x": torch.zeros(2**16)}, tmp_path / "whole.pth")
    deflate(tmp_path / "whole.pth", tmp_path / "packed.pth", 1)
    assert read_state(tmp_path / "packed.pth")["x"].shape == (2**16,)
    deflate(tmp_path / "whole.pth", tmp_path / "bomb.pth", 80)
    with pytest.raises(Unusable, match=r"it expands from [0-9,]{,7} to 20,[0-9,]+ bytes"):
        load_pickled(tmp_path / "bomb.pth")


def test_what_is_no_file(tmp_path: Path) -> None:
    for suffix in (".pth", ".safetensors"):
        os.mkfifo(tmp_path / f"pipe{suffix}")
        with pytest.raises(Unusable, match="it is not a regular file"):
            read_state(tmp_path / f"pipe{suffix}")
        (tmp_path / f"folder{suffix}").mkdir()
        with pytest.raises(Unusable, match="it is a folder"):
            read_state(tmp_path / f"folder{suffix}")
        with pytest.raises(Unusable, match="no such file"):
            read_state(tmp_path / f"nowhere{suffix}")


KINDS = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool]
KINDS += [torch.int16, torch.int8, torch.uint16, torch.uint32, torch.complex64, torch.float8_e4m3fn]


@pytest.mark.parametrize("kinds", [KINDS[:2], KINDS])
def test_weights_of_any_type_are_saved_as_safetensors_does(kinds: list[torch.dtype], tmp_path: Path) -> None:
    """Scalars, empty tensors and channels last, too; and large tensors part by part."""
    state = {f"{kind}.{at}": torch.rand(3, 5).mul(9).to(kind) for kind in kinds for at in range(2)}
    state |= {"empty": torch.zeros(0, 3), "one": torch.tensor(7), "large": torch.rand(2**24 + 2**23)}
    state["channels last"] = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)
    path = tmp_path / "w.safetensors"
    save_state(state, path)
    found = load_file(path)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in state.items())
    assert path.read_bytes() == save({name: value.contiguous() for name, value in state.items()})


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".pt"])
def test_damaged_files_are_refused_or_loaded_whole(suffix: str, tmp_path: Path) -> None:
    """A file with a few bytes changed, cut or inserted: tensors, or a reason. `.pt` is torch's older format."""
    path = tmp_path / f"x{suffix}"
    if suffix == ".safetensors":
        save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=suffix == ".pth")
    content = path.read_bytes()
    rng = random.Random(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(damaged))
            match rng.randrange(4):
                case 0:
                    damaged[at] = rng.randrange(256)
                case 1:
                    damaged[at] ^= 1 << rng.randrange(8)
                case 2:
                    del damaged[at : at + rng.randrange(1, 20)]
                case _:
                    damaged[at:at] = struct.pack("<Q", rng.choice([0, 1, 2**31, 2**63 - 1, 2**64 - 1]))
        path.write_bytes(damaged)
        try:
            found = read_state(path)
        except Unusable:
            refused += 1
        else:
            assert all(isinstance(value, torch.Tensor) for value in found.values())
    assert refused > 40


def test_build_reports_what_is_wrong_with_weights(sh: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN, for the command and from Python."""
    monkeypatch.chdir(tmp_path)
    model = archc.load("small_convnet").build()
    state = model.state_dict()
    key = next(iter(state))
    state[key] = torch.full_like(state[key], torch.nan)
    torch.save(state, "nan.pth")
    code, _, err = sh("build", "small_convnet", "--weights", "nan.pth")
    assert code == 1
    assert f"error[E0501]: `nan.pth` cannot be used as weights: `{key}` has " in err
    with pytest.raises(SpecError, match="E0501"):
        load_weights(model, Path("nan.pth"))


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file can become larger than 10 kB, which fails as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("name", ["x.safetensors", "x.pth"])
def test_a_full_disk_while_weights_are_saved(
    name: str, sh: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error, and the file that was there is as it was."""
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("what was there")
    code, _, err = sh("build", "small_convnet", "--save", name)
    assert code == 1
    assert f"error[E0601]: `{name}` cannot be written: " in err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert Path(name).read_text() == "what was there"
