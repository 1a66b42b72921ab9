"""`archc import` of .pt2 files: the hierarchy and the keys come back, and damaged files are refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from shell import Shell
from torch import Tensor, nn
from torch.nn import functional as F

import archc
from archc.problems import SpecError

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore")]


class Unit(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=1e-3)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))  # type: ignore[no-any-return]


class Net(nn.Module):
    """Layers with weights of every sort, functions, a join and a list of modules."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(Unit(3, 8), Unit(8, 8), nn.Conv2d(8, 8, 3, 2, 1, 1, 2))
        self.up = nn.ConvTranspose2d(8, 4, 2, 2, groups=2)
        self.group = nn.GroupNorm(2, 4)
        self.slope = nn.PReLU(4)
        self.pool = nn.MaxPool2d(2)
        self.norm = nn.LayerNorm(64)
        self.drop = nn.Dropout(0.25)
        self.fc = nn.Linear(64, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(F.silu(self.features(x)))
        y = self.slope(self.group(x))
        x = torch.cat([y, y + F.relu6(y), F.gelu(y), F.hardswish(x)], 1)
        x = F.avg_pool2d(self.pool(x), 2)
        return self.fc(self.drop(self.norm(x.flatten(1)))).cumsum(1)  # type: ignore[no-any-return]


class Plain(Net):
    def forward(self, x: Tensor) -> Tensor:
        x = self.up(F.silu(self.features(x)))
        y = self.slope(self.group(x))
        x = torch.cat([y, y + F.relu6(y), F.gelu(y), F.hardswish(x)], 1)
        x = F.avg_pool2d(self.pool(x), 2)
        return self.fc(self.drop(self.norm(x.flatten(1))))  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(model: nn.Module, *shape: int) -> Path:
    torch.export.save(torch.export.export(model.eval(), (torch.rand(*shape),)), "net.pt2")
    return Path("net.pt2")


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_program_has_its_keys_its_outputs_and_its_blocks(batch: int) -> None:
    """Whatever the batch is that it was exported for."""
    model = Plain()
    found = archc.import_(saved(model, batch, 3, 8, 8))
    assert found.network.spec.name == "Plain"
    assert list(found.network.spec.blocks) == ["Unit"]
    assert found.report.startswith("verified: ")
    built = archc.loads(found.text).build()
    built.load_state_dict(dict(found.weights))
    assert set(found.weights) == set(model.state_dict())
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(built.eval()(x), model(x))


def test_what_archc_has_no_layer_for_is_listed() -> None:
    with pytest.raises(SpecError) as caught:
        archc.import_(saved(Net(), 2, 3, 8, 8))
    assert [problem.code for problem in caught.value.problems] == ["E0801"]
    assert "cumsum" in caught.value.problems[0].message


@pytest.mark.parametrize("name", ["small_convnet", "resnet18", "mobilenet_v3_small"])
def test_an_exported_spec_comes_back_with_its_blocks(name: str) -> None:
    spec = archc.load(name)
    archc.export(spec.configure((3, 64, 64)) if name != "small_convnet" else spec, "net.pt2")
    found = archc.import_("net.pt2")
    assert set(found.keys) == set(spec.build().state_dict())
    assert found.network.spec.name == spec.name
    assert set(found.network.spec.blocks) <= set(spec.network.spec.blocks)
    assert bool(found.network.spec.blocks) == bool(spec.network.spec.blocks)


def test_commands_take_a_program_as_a_spec(sh: Shell) -> None:
    saved(Plain(), 2, 3, 8, 8)
    code, out, err = sh("summary", "net.pt2")
    assert (code, err) == (0, "")
    assert "Unit" in out
    assert sh("import", "net.pt2", "-o", "net.yaml")[0] == 0
    assert sh("diff", "net.pt2", "net.yaml")[0] == 0


def archive(**entries: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return data.getvalue()


class Planted:
    """Pickles to a call that makes a file."""

    def __reduce__(self) -> object:
        return open, ("planted", "w")


@pytest.mark.parametrize(
    "content",
    [b"", b"x" * 1000, archive(a=b"b"), archive(version=b"9", archive_format=b"pt2"), pickle.dumps(Planted())],
    ids=["empty", "no archive", "another archive", "no model", "a pickle"],
)
def test_another_file_is_refused(content: bytes) -> None:
    Path("bad.pt2").write_bytes(content)
    with pytest.raises(SpecError) as caught:
        archc.import_("bad.pt2")
    assert [problem.code for problem in caught.value.problems] == ["E0804"]
    assert not Path("planted").exists()


def test_a_program_takes_the_size_that_it_was_exported_for() -> None:
    path = saved(Plain(), 2, 3, 8, 8)
    with pytest.raises(SpecError, match="takes inputs of 3×8×8, not 3×16×16"):
        archc.import_(path, (3, 16, 16))
