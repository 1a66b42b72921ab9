"""A spec is untrusted input: whatever it holds, archc answers soon, in little memory, and does nothing else.

Each file is checked in a process of its own, beside one that checks a sound small spec.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from harmless import assert_harmless
from hypothesis import given
from hypothesis import strategies as st
from parity import class_of

import archc

HEAD = "input: [3, 32, 32]\n"
TIMES = 2
"""As much time of the processor as a small valid spec takes, at most."""
MEBIBYTES = 100


def layers(text: str) -> str:
    return f"{HEAD}layers: {text}\n"


def doubling(depth: int) -> str:
    blocks = "".join(f"  B{i}: {{layers: [B{i + 1}, B{i + 1}]}}\n" for i in range(depth))
    return f"{HEAD}blocks:\n{blocks}  B{depth}: {{layers: [relu]}}\nlayers: [B0]\n"


def bomb() -> str:
    rows = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    return "a0: &a0 [lol, lol]\n" + "\n".join(rows) + "\n"


WRONG: dict[str, tuple[str | bytes, str]] = {
    "alias bomb": (bomb(), "E0106"),
    "brackets": (layers("[" * 100_000), "E0107"),
    "braces": (layers("{a: " * 100_000), "E0107"),
    "dashes": (HEAD + "layers:\n" + " " + "- " * 100_000 + "relu\n", "E0107"),
    "indentation": ("".join(" " * i + f"a{i}:\n" for i in range(2_000)), "E0107"),
    "100 MB scalar": (b"input: [3, 32, 32]\ndescription: " + b"x" * 100_000_000, "E0108"),
    "a key of 4 MB": (HEAD + "x" * 4_000_000 + ": 1\n", "E0104"),
    "repeat": (layers("[{relu: , repeat: 1000000000}]"), "E0220"),
    "repeats within repeats": (layers("[{repeat: 1000, layers: [{repeat: 1000, layers: [relu]}]}]"), "E0220"),
    "rows within rows": (
        HEAD
        + "arguments: {r: [1, 2, 3, 4, 5, 6, 7, 8]}\nlayers:\n  - "
        + "".join(f"{'  ' * i * 2}{{for: v{i}, in: $r, layers: [" for i in range(8)).replace("  ", "")
        + "relu"
        + "]}" * 8
        + "\n",
        "E0220",
    ),
    "kernel of 2**70": (layers(f"[{{conv2d: {{out_channels: 8, kernel_size: {2**70}}}}}]"), "E0203"),
    "a million digits": (layers(f"[{{conv2d: {{out_channels: {'9' * 1_000_000}, kernel_size: 1}}}}]"), "E0203"),
    "channels beyond 64 bits": (
        f"input: [{2**31 - 1}, {2**31 - 1}, {2**31 - 1}]\nlayers: [relu]\n",
        "E0315",
    ),
    "tower of powers": (layers("[{linear: $(9**9**9)}]"), "E0213"),
    "text times a number": (layers("[{linear: \"$('x' * 1000000000)\"}]"), "E0213"),
    "list times a number": (layers('[{linear: "$([1] * 1000000000)"}]'), "E0213"),
    "shift of an expression": (layers("[{linear: $(1 << 1000000000)}]"), "E0211"),
    "long expression": (layers(f"[{{linear: $({'1+' * 100_000}1)}}]"), "E0211"),
    "deep expression": (layers(f"[{{linear: $({'(' * 240}1{')' * 240})}}]"), "E0211"),
    "many minus signs": (layers(f"[flatten, {{linear: $({'-' * 490}1)}}]"), ""),
    "a call of a call": (layers("[{linear: \"$(__import__('os').system('true'))\"}]"), "E0211"),
    "an attribute": (layers("[{linear: $((1).__class__)}]"), "E0211"),
    "a lambda": (layers("[{linear: '$((lambda: 1)())'}]"), "E0211"),
    "doubling blocks": (doubling(40), "E0220"),
    "60 doubling blocks": (doubling(60), "E0107"),
    "a block of itself": (f"{HEAD}blocks: {{B: {{layers: [B]}}}}\nlayers: [B]\n", "E0214"),
    "extends itself": ("extends: wrong.yaml\n", "E0215"),
    "extends a system file": ("extends: ../../../../../etc/passwd\n", "E0215"),
    "imports a system file": (HEAD + "import: {/etc/passwd: [A]}\nlayers: [A]\n", "E0215"),
    "extends a link out of the folder": ("extends: link.yaml\n", "E0215"),
    "a tag for an object": ("!!python/object/apply:os.system ['true']\n", "E0106"),
    "a tag within": (layers("[!!python/name:os.system relu]"), "E0106"),
    "NUL bytes": (b"input: [3, 32, 32]\0\nlayers: [relu]\n", "E0102"),
    "UTF-16": (layers("[relu]").encode("utf-16"), "E0102"),
    "a gigabyte of output": ("input: [1, 100000, 100000]\nlayers: [{upsample: {scale_factor: 1000}}]\n", ""),
    "many documents": ("---\na: 1\n" * 10_000, "E0106"),
    "many unknown keys": (HEAD + "".join(f"k{i}: 1\n" for i in range(2_000)) + "layers: [relu]\n", "E0201"),
    "many unknown layers": (layers("[" + ", ".join(f"relu{i}" for i in range(2_000)) + "]"), "E0204"),
    "a name that is code": (layers("{'x; import os': relu}"), "E0208"),
    "a keyword": (layers("{class: relu}"), "E0208"),
    "a special name": (layers("{__init__: relu}"), "E0208"),
    "forward": (layers("{forward: relu}"), "E0208"),
    "a class name that is code": (f"name: 'Net(object): pass #'\n{layers('[relu]')}", "E0208"),
    "a parameter that is code": (f"arguments: {{'n=1, m': 1}}\n{layers('[relu]')}", "E0208"),
    "a carriage return in a name": (f'name: "A\\rimport os"\n{layers("[relu]")}', "E0208"),
    "a homoglyph": (layers("{ｒelu: relu}"), "E0208"),
}


_WATCH = """
import json, resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "archc", "check", "--format", "json", sys.argv[1]], capture_output=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
seconds, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
print(json.dumps([done.returncode, done.stdout.decode(), done.stderr.decode(), seconds, memory]))
"""


def check(path: Path) -> tuple[int, str, str, float, float]:
    """Exit status, output, errors, seconds of the processor and MiB at the most of a whole `archc check`."""
    done = subprocess.run(
        [sys.executable, "-c", _WATCH, path.name], cwd=path.parent, capture_output=True, text=True, check=True
    )
    status, out, err, seconds, memory = json.loads(done.stdout)
    return status, out, err, seconds, memory


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[float, float]:
    """What a small valid spec takes: seconds and MiB."""
    path = tmp_path_factory.mktemp("sound") / "sound.yaml"
    path.write_text(layers("[relu]"), "utf-8")
    found = [check(path) for _ in range(3)]
    assert all(status == 0 for status, *_ in found)
    return min(seconds for *_, seconds, _ in found), max(memory for *_, memory in found)


@pytest.mark.parametrize("name", WRONG)
def test_a_hostile_file_is_refused_at_once(name: str, sound: tuple[float, float], tmp_path: Path) -> None:
    content, code = WRONG[name]
    folder = tmp_path / "specs"
    folder.mkdir()
    (tmp_path / "outside.yaml").write_text(layers("[relu]"), "utf-8")
    (folder / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    path = folder / "wrong.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(tmp_path.rglob("*"))
    seconds = []
    for _ in range(3):  # a busy machine may take its time once
        status, out, err, took, memory = check(path)
        seconds.append(took)
        if took <= TIMES * sound[0]:
            break
    assert "Traceback" not in err
    problems = json.loads(out)
    assert ([problem["code"] for problem in problems][:1] or [""]) == [code]
    assert status == (1 if code else 0)
    assert all(problem["line"] or problem["code"] == "E0108" for problem in problems)
    assert min(seconds) <= TIMES * sound[0]
    assert memory - sound[1] <= MEBIBYTES
    assert sorted(tmp_path.rglob("*")) == before


# What reaches the source

TRICKS = [
    '"""',
    "\\",
    '\\\\"""',
    "'''",
    "\n    import os\n",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "${jndi}",
    "\u2028import os",
    "\x85import os",
    "# noqa",
    "\x1b[31m",
    "𝓉ext",
]


@pytest.mark.parametrize("trick", TRICKS, ids=repr)
def test_texts_stay_texts(trick: str) -> None:
    """In the description, the paper and a block's description: quoted, on one line, and nothing else."""
    text = json.dumps(f"a{trick}b", ensure_ascii=False)
    spec = f"""
name: Net
description: {text}
paper: {text}
input: [3, 8, 8]
blocks:
  B:
    description: {text}
    layers: [relu]
layers: [B]
"""
    source = archc.loads(spec).emit()
    assert_harmless(source)
    assert [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)] == ["B", "Net"]
    class_of(source, "Net")()


NAMES = [
    "torch",
    "nn",
    "Tensor",
    "self",
    "x",
    "super",
    "range",
    "OrderedDict",
    "int",
    "type",
    "print",
    "module",
    "name",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "spec",
    [
        "layers: {{{n}: {{conv2d: {{out_channels: 4, kernel_size: 1}}}}, sum: {{add: [{n}, {n}]}}}}",
        "arguments: {{{n}: 4}}\nlayers: [{{conv2d: {{out_channels: ${n}, kernel_size: 1}}}}]",
        "blocks: {{B: {{arguments: {{{n}: }}, layers: {{c: {{linear: ${n}}}}}}}}}\nlayers: [flatten, {{B: 4}}]",
        "blocks: {{{n}: {{layers: [relu]}}}}\nlayers: [{n}]",
    ],
    ids=["entry", "parameter", "block's parameter", "block"],
)
def test_names_of_the_file_cannot_be_hidden(name: str, spec: str) -> None:
    """An entry, parameter or block with a name that the source uses itself: refused, or emitted so that it works."""
    import torch

    try:
        architecture = archc.loads(f"name: Net\ninput: [3, 4, 4]\n{spec.format(n=name)}\n")
    except archc.SpecError as error:
        refused = {problem.code for problem in error.problems}
    else:
        refused = set()
    if refused:
        assert refused <= {"E0208", "E0209"}
        return
    source = architecture.emit()
    assert_harmless(source)
    torch.manual_seed(0)
    emitted = class_of(source, "Net")()
    torch.manual_seed(0)
    built = architecture.build()
    image = torch.rand(1, 3, 4, 4)
    assert torch.equal(emitted(image), built(image))


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_no_text_anywhere_becomes_code(name: str, entry: str, description: str) -> None:
    """Any text as name, entry and description: refused, or a harmless file."""
    quoted = [json.dumps(text, ensure_ascii=False) for text in (name, entry, description)]
    try:
        architecture = archc.loads(
            f"name: {quoted[0]}\ndescription: {quoted[2]}\ninput: [3, 4, 4]\nlayers: {{{quoted[1]}: relu}}\n"
        )
    except archc.SpecError:
        return
    assert_harmless(architecture.emit())
