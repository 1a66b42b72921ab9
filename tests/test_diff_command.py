"""`archc diff` as users run it: exit codes, revisions, classes, formats; and `archc.diff`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from shell import Shell
from torch import Tensor, nn

import archc
from archc import SpecError
from archc.difference.modules import run_both

ROOT = Path(__file__).parents[1]
NET = "input: [3, 8, 8]\nlayers:\n  conv: {conv2d: {out_channels: 4, kernel_size: 3}}\n"
OTHER = NET.replace("out_channels: 4", "out_channels: 6")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in a folder of its own with two specs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(NET)
    (tmp_path / "b.yaml").write_text(OTHER)
    return tmp_path


def git(*words: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *words], check=True, capture_output=True)


# Exit codes and formats


def test_equal_different_and_wrong_have_exit_codes_of_their_own(sh: Shell, folder: Path) -> None:
    assert sh("diff", "a.yaml", "a.yaml") == (0, "a.yaml → a.yaml: structurally equal: 1 layer, 112 parameters\n", "")
    code, out, err = sh("diff", "a.yaml", "b.yaml")
    assert (code, err) == (1, "")
    assert "conv2d  out_channels 4 → 6" in out
    (folder / "wrong.yaml").write_text(NET.replace("kernel_size: 3", "kernel_size: 30"))
    code, out, err = sh("diff", "a.yaml", "wrong.yaml")
    assert (code, out) == (2, "")
    assert "error[E0302]" in err
    assert "wrong.yaml:3" in err
    assert sh("diff", "a.yaml")[0] == 2
    assert sh("diff", "a.yaml", "nowhere.yaml")[0] == 2
    assert sh("diff", "a.yaml", "b.yaml", "--input", "8")[0] == 2


def test_the_argument_for_three_small_kernels(sh: Shell) -> None:
    """27C² against 49C², and the same receptive field."""
    code, out, _ = sh("diff", "conv_7x7", "stack_3x3")
    assert code == 1
    assert re.search(r"parameters +200,704 +110,592 +−45%\n +49·C² +27·C² ", out)
    assert re.search(r"receptive field +7 +7 +the same", out)


def test_formats_tell_the_same(sh: Shell) -> None:
    document = json.loads(sh("diff", "a.yaml", "b.yaml", "--format", "json")[1])
    assert document["equal"] is False
    assert document["sections"] == [
        {
            "block": None,
            "uses": [{"before": "", "after": ""}],
            "changes": [
                {
                    "change": "changed",
                    "before": "conv",
                    "after": "conv",
                    "kind": ["conv2d", "conv2d"],
                    "renamed": False,
                    "moved": False,
                    "arguments": [
                        {"name": "out_channels", "before": 4, "before_written": None, "after": 6, "after_written": None}
                    ],
                    "inputs": None,
                }
            ],
        }
    ]
    assert document["layers"] == [
        {
            "before": "conv",
            "after": "conv",
            "output": [[4, 6, 6], [6, 6, 6]],
            "parameters": [112, 168],
            "macs": [3888, 5832],
            "receptive_field": [[3, 3], [3, 3]],
        }
    ]
    assert document["figures"]["macs"] == {"before": 3888, "after": 5832}
    assert document["state_dict"]["reshaped"] == {
        "conv.weight": [[4, 3, 3, 3], [6, 3, 3, 3]],
        "conv.bias": [[4], [6]],
    }
    markdown = sh("diff", "a.yaml", "b.yaml", "--format", "markdown")[1]
    assert "| parameters | 112 | 168 | +50% |" in markdown
    assert "```diff\n!  conv  conv2d  out_channels 4 → 6\n```" in markdown
    assert sh("diff", "a.yaml", "a.yaml", "--format", "markdown")[1].endswith("Structurally equal; checkpoints load.\n")


def test_an_input_for_both(sh: Shell) -> None:
    document = json.loads(sh("diff", "a.yaml", "b.yaml", "--input", "3x20x20", "--format", "json")[1])
    assert document["figures"]["input"] == {"before": [3, 20, 20], "after": [3, 20, 20]}
    assert document["layers"][0]["output"] == [[4, 18, 18], [6, 18, 18]]


HOSTILE = r'{note: "</summary><script>alert(1)</script> ``` | \e[31m"}'


def test_what_a_spec_says_is_text(sh: Shell, folder: Path) -> None:
    """A parameter's text neither leaves its fence in markdown nor reaches the terminal as it is."""
    (folder / "hostile.yaml").write_text(f"arguments: {HOSTILE}\n{NET}")
    (folder / "`x` <b>.yaml").write_text(NET)
    for words in (("a.yaml", "hostile.yaml"), ("hostile.yaml", "`x` <b>.yaml")):
        text = sh("diff", *words)[1]
        markdown = sh("diff", *words, "--format", "markdown")[1]
        assert "\x1b" not in text + markdown
        outside = re.sub(r"(?ms)^(`{3,})diff\n.*?^\1$", "", markdown)
        assert "script" not in outside
        assert "````diff\n" in markdown  # a longer fence than what is inside
        assert set(re.findall(r"<[^>]*>", outside)) <= {"<details>", "</details>", "<summary>", "</summary>"}


# Revisions


@pytest.fixture
def repository(folder: Path) -> Path:
    """Two revisions of a spec that extends one file, which imports another; all three differ."""
    specs = folder / "specs"
    specs.mkdir()
    for width, revision in ((4, "one"), (8, "two")):
        (specs / "net.yaml").write_text("extends: base.yaml\nname: Net\narguments: {classes: 10}\n")
        base = "input: [3, 8, 8]\narguments: {classes: 2}\nimport: {parts.yaml: [A]}\n"
        (specs / "base.yaml").write_text(
            f"{base}layers: [A, {{adaptive_avg_pool2d: 1}}, flatten, {{linear: $classes}}]\n"
        )
        part = f"{{conv2d: {{out_channels: {width}, kernel_size: 3}}}}"
        (specs / "parts.yaml").write_text(f"blocks: {{A: {{layers: [{part}]}}}}\n")
        if revision == "one":
            git("init", "--quiet", "--initial-branch=main")
        git("add", "specs")
        git("commit", "--quiet", "-m", revision)
    return folder


def test_a_revision_is_read_with_what_it_names(sh: Shell, repository: Path) -> None:
    """What it extends and imports comes from the same revision, not from the folder."""
    code, out, err = sh("diff", "HEAD~1:specs/net.yaml", "specs/net.yaml")
    assert (code, err) == (1, "")
    assert "in block A: 0" in out
    assert "out_channels 4 → 8" in out
    assert sh("diff", "HEAD:specs/net.yaml", "specs/net.yaml")[0] == 0
    assert sh("diff", "main~1:specs/net.yaml", "HEAD:specs/net.yaml")[0] == 1
    (repository / "specs" / "parts.yaml").unlink()
    assert sh("diff", "HEAD:specs/net.yaml", ":specs/net.yaml")[0] == 0  # the index


def test_a_revision_is_found_from_below(sh: Shell, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository / "specs")
    assert sh("diff", "HEAD~1:./net.yaml", "net.yaml")[0] == 1
    assert sh("diff", "HEAD~1:specs/net.yaml", "HEAD~1:./net.yaml")[0] == 0


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("HEAD~9:specs/net.yaml", "Git does not know the revision `HEAD~9`"),
        ("nonsense:specs/net.yaml", "Git does not know the revision `nonsense`"),
        ("HEAD:specs/other.yaml", "the revision `HEAD` has no file `specs/other.yaml`"),
        ("HEAD:specs.yaml", "has no file"),
        ("--output=x:specs/net.yaml", "is neither a revision nor a file"),
    ],
)
def test_what_a_revision_lacks_is_told(sh: Shell, repository: Path, named: str, told: str) -> None:
    code, out, err = sh("diff", "--", named, "specs/net.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("error[E0101]")
    assert told in err
    assert sorted(path.name for path in repository.iterdir()) == [".git", "a.yaml", "b.yaml", "specs"]


def test_problems_of_a_revision_are_told_at_its_lines(sh: Shell, repository: Path) -> None:
    (repository / "specs" / "parts.yaml").write_text(
        "blocks: {A: {layers: [{conv2d: {out_channels: 8, kernel: 3}}]}}\n"
    )
    git("commit", "--quiet", "-am", "wrong")
    code, _, err = sh("diff", "HEAD:specs/net.yaml", "a.yaml")
    assert code == 2
    assert " --> HEAD:specs/parts.yaml:1:" in err
    (repository / "specs" / "base.yaml").unlink()
    git("commit", "--quiet", "-am", "gone")
    assert "no file `base.yaml`" in sh("diff", "HEAD:specs/net.yaml", "a.yaml")[2]


def test_without_a_repository_or_git(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", "/")
    assert "not in a Git repository" in sh("diff", "HEAD:a.yaml", "a.yaml")[2]
    monkeypatch.setenv("PATH", "")
    assert "which is not installed" in sh("diff", "HEAD:a.yaml", "a.yaml")[2]


def test_a_file_hides_a_revision(sh: Shell, folder: Path) -> None:
    (folder / "HEAD:a.yaml").write_text(OTHER)
    assert sh("diff", "HEAD:a.yaml", "b.yaml")[0] == 0


# Classes


def test_an_emitted_file_is_its_spec(sh: Shell) -> None:
    """And not another: an argument that no shape shows is found in the module, a wiring by running it."""
    small = ("--input", "3x96x96")
    assert sh("diff", "googlenet", str(ROOT / "generated" / "googlenet.py"), *small)[0] == 0
    code, out, _ = sh("diff", str(ROOT / "generated" / "googlenet.py"), "googlenet_paper", *small)
    assert code == 1
    assert "in block BasicConv2d → ConvReLU, 50 uses" in out
    assert sh("diff", "resnet18", "torchvision.models:resnet18", *small)[0] == 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("kernel_size=3, padding=1", "kernel_size=3, padding=1, dilation=1, stride=1", ""),
        ("nn.MaxPool2d(kernel_size=2)", "nn.MaxPool2d(kernel_size=2, ceil_mode=True)", "ceil_mode false → true"),
        ("nn.ReLU()", "nn.SiLU()", "ReLU → SiLU"),
        ("x = x + self.a(x)", "x = x - self.a(x)", "outputs differ by"),
        ("self.drop = nn.Dropout(0.2)", "self.drop = nn.Dropout(0.5)", "p 0.2 → 0.5"),
        ("self.drop = nn.Dropout(0.2)", "self.drop = nn.Identity()", "dropout 0.2 → identity"),
        ("self.drop =", "self.unused = nn.ReLU()\n        self.drop =", ""),
        ("self.drop =", "self.unused = nn.Dropout(0.1)\n        self.drop =", "dropout 0.1"),
        ("self.gain = nn.Parameter(torch.ones(1))", "self.other = nn.Parameter(torch.ones(2))", "gain"),
    ],
)
def test_two_classes_are_compared_by_their_layers_and_by_running(
    sh: Shell, folder: Path, old: str, new: str, told: str
) -> None:
    text = """
import torch
from torch import Tensor, nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))
        self.a = nn.Sequential(nn.Conv2d(3, 3, kernel_size=3, padding=1), nn.ReLU())
        self.pool = nn.MaxPool2d(kernel_size=2)
        self.pad = nn.ReflectionPad2d(1)
        self.drop = nn.Dropout(0.2)
        self.mha = nn.GLU(dim=2)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.a(x)
        return self.mha(self.drop(self.pad(self.pool(x))))
"""
    (folder / "one.py").write_text(text)
    assert old in text
    (folder / "two.py").write_text(text.replace(old, new))
    code, out, err = sh("diff", "one.py", "two.py:Net", "--input", "3x8x8")
    assert (code, err) == (1 if told else 0, "")
    assert told in out
    assert sh("diff", "one.py", "one.py")[0] == 0  # on an image of 3×224×224


@pytest.mark.parametrize(
    ("named", "code", "told"),
    [
        ("missing.py", "E0704", "cannot be read"),
        ("torch.nn:Nonsense", "E0704", "has no class `Nonsense`"),
        ("nowhere:Net", "E0704", "cannot be imported"),
        ("torch.nn:Linear", "E0704", "cannot be created"),
        ("torch.nn:ReLU", "", ""),
        ("torch.nn:Bilinear.py", "E0704", ""),
    ],
)
def test_a_class_that_cannot_be_used_is_told(sh: Shell, named: str, code: str, told: str) -> None:
    status, _, err = sh("diff", "a.yaml", named)
    assert status == (2 if code else 1)
    assert (f"error[{code}]" in err) == bool(code)
    assert told in err


def test_a_class_that_does_not_run_is_told(sh: Shell, folder: Path) -> None:
    (folder / "net.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Sequential):\n    def __init__(self) -> None:\n"
        "        super().__init__(nn.Conv2d(5, 4, 3))\n"
    )
    code, _, err = sh("diff", "a.yaml", "net.py")
    assert code == 2
    assert "Net does not run on an image of 3×8×8" in err


class Heads(nn.Module):
    """Gives what it is told to."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Any:
        return self.result(self.conv(x))


def test_outputs_by_name_and_by_place() -> None:
    both = archc.diff(Heads(lambda y: {"a": y, "b": [1]}), Heads(lambda y: (y, None)), input=(3, 8, 8))
    assert both.before.figures["outputs"] == {"a": (4, 6, 6)}
    assert both.after.figures["outputs"] == {"output0": (4, 6, 6)}
    assert both.run is not None
    assert both.run.same
    assert not both.equal  # they have other names
    nothing = Heads(lambda _: None)
    assert run_both(nothing, Heads(lambda _: None), (3, 8, 8)).difference == 0


def test_modules_are_left_as_they_are() -> None:
    """Their weights, their mode, and torch's random numbers."""
    one, other = Heads(lambda y: y), Heads(lambda y: y).eval()
    weights = [parameter.clone() for model in (one, other) for parameter in model.parameters()]
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    found = archc.diff(one, other, input=(3, 8, 8))
    assert found.equal
    assert torch.equal(torch.rand(1), expected)
    assert (one.training, other.training) == (True, False)
    for before, after in zip(weights, [*one.parameters(), *other.parameters()], strict=True):
        assert torch.equal(before, after)


# From Python


def test_what_python_gives() -> None:
    found = archc.diff(archc.load("a.yaml"), Path("b.yaml"))
    assert isinstance(found, archc.Difference)
    assert (found.before.label, found.after.label) == ("A", "b.yaml")
    assert str(found).startswith("A → b.yaml: different\n")
    assert found._repr_markdown_().startswith("### A → b.yaml\n")
    with pytest.raises(SpecError):
        archc.diff("a.yaml", "nowhere")


def test_renamed_keys_adapt_a_checkpoint() -> None:
    """The weights of one network, under the names of the other, compute the same."""
    text = "input: [3, 8, 8]\nlayers:\n  a: {conv2d: {out_channels: 4, kernel_size: 3}}\n  b: {batch_norm2d: }\n"
    one, other = archc.loads(text), archc.loads(text.replace(" a:", " stem:").replace(" b:", " norm:"))
    state = archc.diff(one, other).state
    assert state.loads_renamed
    built, renamed = one.build(), other.build()
    renamed.load_state_dict({state.renamed[key]: value for key, value in built.state_dict().items()})
    x = torch.rand(1, 3, 8, 8)
    assert torch.equal(built.eval()(x), renamed.eval()(x))


def test_state_dicts_are_torchs() -> None:
    """Keys and shapes of both sides, told without torch, are those of the modules."""
    found = archc.diff("googlenet", "inception_v3").state
    for name, state in (("googlenet", found.before), ("inception_v3", found.after)):
        real = {key: tuple(value.shape) for key, value in archc.load(name).build().state_dict().items()}
        assert state == real


def test_ten_thousand_layers_that_differ_here_and_there() -> None:
    """Chains that share most of their layers, and chains that share none, in a few times the time of their check."""

    def chain(count: int, odd: int) -> archc.Architecture:
        layers = "".join(f"  - {'tanh' if i % odd == 0 else 'relu'}\n" for i in range(count))
        return archc.loads(f"input: [1, 2, 2]\nlayers:\n{layers}")

    start = time.process_time()
    a, b = chain(10_000, 97), chain(10_000, 89)
    other = archc.loads("input: [1, 2, 2]\nlayers:\n" + "  - {dropout: 0.5}\n" * 10_000)
    checked = time.process_time()
    found = archc.diff(a, b)
    assert len(found.comparison.matches) + len(found.comparison.added) == 10_000
    assert len(str(found).splitlines()) < 200
    assert len(archc.diff(a, other).comparison.removed) == 10_000
    assert time.process_time() - checked < 6 * (checked - start)  # 2.3 measured


def test_specs_are_compared_without_torch(repository: Path) -> None:
    code = """
import sys
from archc.cli.main import main
assert main(["diff", "HEAD~1:specs/net.yaml", "specs/net.yaml"]) == 1
assert main(["diff", "googlenet", "inception_v3", "--format", "json"]) == 1
print([name for name in ("torch", "numpy", "jinja2") if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "[]\n"
