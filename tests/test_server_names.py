"""What an editor asks about names, calls and the form of a spec: a client over stdio, documents that are not saved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from editor import CURSOR, Editor, edited, units
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from test_server import HEAD, PARTS, SOUND, WHOLE, at

import archc
from archc.kinds import KINDS
from archc.library import bundled


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    with Editor(tmp_path_factory.mktemp("names")) as editor:
        yield editor


def place(editor: Editor, name: str, text: str) -> tuple[types.TextDocumentIdentifier, types.Position]:
    return editor._at(name, text)


def shown(editor: Editor, found: Any) -> list[tuple[str, int, int]]:
    return [(each.uri.rsplit("/")[-1], each.range.start.line, each.range.start.character) for each in found or ()]


def uses(editor: Editor, name: str, text: str, *, declared: bool = True) -> list[tuple[str, int, int]]:
    asked = types.ReferenceParams(types.ReferenceContext(declared), *place(editor, name, text))
    return shown(editor, editor.run(editor.client.text_document_references_async(asked)))


def renamed(editor: Editor, name: str, text: str, new: str) -> dict[str, list[types.TextEdit]]:
    asked = types.RenameParams(*place(editor, name, text), new)
    found = editor.run(editor.client.text_document_rename_async(asked))
    assert found is not None
    return {uri.rsplit("/")[-1]: list(edits) for uri, edits in (found.changes or {}).items()}


def positions(text: str, name: str, *words: str) -> list[tuple[str, int, int]]:
    """Where parts of a text are, in a document; each is there once, and `‸` shows the place within it."""
    found = []
    for word in words:
        assert text.count(word.replace(CURSOR, "")) == 1, word
        before = text[: text.index(word.replace(CURSOR, "")) + max(word.find(CURSOR), 0)]
        found.append((name, before.count("\n"), len(before) - before.rfind("\n") - 1))
    return found


# References and renaming


USES = {
    "an entry": ("[stem, uni‸t2]", ["unit2: {", "‸unit2]"]),
    "an entry, from its name": ("un‸it2: {", ["unit2: {", "‸unit2]"]),
    "a block": ("{Un‸it: 8}", ["Unit:\n", "{‸Unit: 8}", "{‸Unit: [8"]),
    "a parameter of a block": ("out_channels: $wi‸dth", ["{‸width: ,", "$‸width,"]),
    "a parameter of the network": ("{num_cl‸asses", ["{‸num_classes", "$‸num_classes"]),
}


@pytest.mark.parametrize("name", USES)
def test_references(editor: Editor, name: str) -> None:
    part, expected = USES[name]
    places = positions(SOUND, "uses.yaml", *expected)
    assert uses(editor, "uses.yaml", at(SOUND, part)) == places
    assert uses(editor, "uses.yaml", at(SOUND, part), declared=False) == places[1:]


@pytest.mark.parametrize("part", ["inp‸ut: [3", "{conv‸2d: {out_channels: 8", "output‸: 10", "kernel_si‸ze: 3, stride"])
def test_words_of_the_language_have_no_references(editor: Editor, part: str) -> None:
    text = f"{SOUND}expect: {{output: 10}}\n".replace("output: 10", "output: [10]")
    text = text.replace("output: [10]", "output: 10") if "output" in part else text
    assert uses(editor, "uses.yaml", at(text, part)) == []
    asked = types.PrepareRenameParams(*place(editor, "uses.yaml", at(text, part)))
    assert editor.run(editor.client.text_document_prepare_rename_async(asked)) is None


LOOPS = """input: [4, 8, 8]
arguments: {rows: [8, 16], same: 1}
blocks:
  Part: {arguments: {w: }, layers: {a: {conv2d: {out_channels: $(w * same), kernel_size: 1}}}}
layers:
  conv$i: {conv2d: {out_channels: $w, kernel_size: 1}, for: w, in: $rows, index: i}
  part: {Part: {w: "$(max(rows) * same if 'same' == 'same' else 1)"}}
  sum: {concat: [conv1, part]}
init:
  - {match: [part.a, conv1], bias: 0}
"""


def test_references_in_loops_strings_paths_and_other_blocks(editor: Editor) -> None:
    """`same` is read by the block, which inherits it, and within an expression that has it as a text as well."""
    found = uses(editor, "loops.yaml", at(LOOPS, "sa‸me: 1"))
    assert found == positions(LOOPS, "loops.yaml", "same: 1", "(w * ‸same)", "* ‸same if")
    assert uses(editor, "loops.yaml", at(LOOPS, "for: ‸w")) == positions(LOOPS, "loops.yaml", "$‸w, kernel", "for: ‸w")
    assert uses(editor, "loops.yaml", at(LOOPS, "index: i‸")) == positions(LOOPS, "loops.yaml", "conv$‸i", "index: ‸i")
    found = uses(editor, "loops.yaml", at(LOOPS, "par‸t:"))
    assert found == positions(LOOPS, "loops.yaml", "part: {", "‸part]", "[‸part.a")
    assert uses(editor, "loops.yaml", at(LOOPS, "part.‸a")) == positions(LOOPS, "loops.yaml", "{‸a: {conv", "part.‸a")


SHARES = """input: [3, 8, 8]
layers:
  head: {conv2d: {out_channels: 3, kernel_size: 1}}
  again: {share: head}
  sum: {add: [head, again]}
"""


def test_a_share_refers_to_its_owner(editor: Editor) -> None:
    found = positions(SHARES, "shares.yaml", "head: {", "share: ‸head", "[‸head,")
    assert uses(editor, "shares.yaml", at(SHARES, "share: he‸ad")) == found
    edits = renamed(editor, "shares.yaml", at(SHARES, "he‸ad: {"), "top")["shares.yaml"]
    assert edited(SHARES, edits) == SHARES.replace("head", "top")


OUTPUTS = """input: [3, 8, 8]
arguments: {spread: 0.5}
layers:
  a: {conv2d: {out_channels: 4, kernel_size: 1}}
  b0: relu
  b1: tanh
outputs: [a, {for: n, in: [0, 1], p$n: b$n}, {q: a}]
init: [{match: conv2d, weight: {normal: {std: $spread}}}]
"""


def test_references_in_outputs_and_init(editor: Editor) -> None:
    found = uses(editor, "outputs.yaml", at(OUTPUTS, "for: ‸n"))
    assert found == positions(OUTPUTS, "outputs.yaml", "for: ‸n", "p$‸n", "b$‸n")
    assert uses(editor, "outputs.yaml", at(OUTPUTS, "q: ‸a}")) == positions(
        OUTPUTS, "outputs.yaml", "a: {conv", "[‸a, ", "q: ‸a}"
    )
    assert uses(editor, "outputs.yaml", at(OUTPUTS, "$‸spread")) == positions(
        OUTPUTS, "outputs.yaml", "{‸spread", "$‸spread"
    )


RENAMES = {"st‸em:": "trunk", "Un‸it: 8": "Piece", "$ker‸nel": "window", "$num‸_classes": "count", "unit‸2]": "last"}


@pytest.mark.parametrize("part", RENAMES)
def test_a_renamed_spec_is_the_same_network(editor: Editor, part: str) -> None:
    new = RENAMES[part]
    asked = types.PrepareRenameParams(*place(editor, "rename.yaml", at(SOUND, part)))
    span = editor.run(editor.client.text_document_prepare_rename_async(asked))
    assert isinstance(span, types.Range)
    old = SOUND.split("\n")[span.start.line][span.start.character : span.end.character]
    edits = renamed(editor, "rename.yaml", at(SOUND, part), new)["rename.yaml"]
    after = edited(SOUND, edits)
    assert len(edits) > 1
    assert old not in {word.strip("${}[],:") for word in after.split()}
    before, now = archc.loads(SOUND).summary(), archc.loads(after).summary()
    assert [(row.kind, row.output, row.parameters) for row in now.layers] == [
        (row.kind, row.output, row.parameters) for row in before.layers
    ]


REFUSED = {
    "a name that is there": ("st‸em:", "unit1", "the key `unit1` appears twice"),
    "no name": ("st‸em:", "1st", "a layer cannot be named `1st`"),
    "a name of another value": ("$ker‸nel", "width", "width"),
    "nothing": ("st‸em:", "", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_break_the_spec_is_refused(editor: Editor, name: str) -> None:
    part, new, why = REFUSED[name]
    with pytest.raises(JsonRpcException) as caught:
        renamed(editor, "refused.yaml", at(SOUND, part), new)
    assert why in str(caught.value)


def test_names_in_several_files(editor: Editor) -> None:
    """A block, its parameter and a parameter of a base are renamed in the files that import and extend them, too."""
    whole = WHOLE.replace(", b: {linear: 3}", "").replace("{Part: 8}", "{Part: {width: 8}}")
    base = "input: [3, 8, 8]\narguments: {n: 4}\nlayers: {a: {conv2d: {out_channels: $n, kernel_size: 3}}}\n"
    more = "extends: base.yaml\narguments: {n: 5}\n"
    (editor.folder / "other.yaml").write_text("input: [3, 8, 8]\nlayers: {Part: relu, width: relu, n: relu}\n", "utf-8")
    for name, text in (("parts.yaml", PARTS), ("base.yaml", base), ("more.yaml", more), ("whole.yaml", whole)):
        (editor.folder / name).write_text("overwritten in the editor", "utf-8")
        editor.check(name, text)
    found = renamed(editor, "parts.yaml", at(PARTS, "Pa‸rt:"), "Piece")
    assert edited(PARTS, found["parts.yaml"]) == PARTS.replace("Part", "Piece")
    assert edited(whole, found["whole.yaml"]) == whole.replace("Part", "Piece")
    assert set(found) == {"parts.yaml", "whole.yaml"}
    found = renamed(editor, "whole.yaml", at(whole, "wid‸th"), "size")
    assert edited(PARTS, found["parts.yaml"]) == PARTS.replace("width", "size")
    assert edited(whole, found["whole.yaml"]) == whole.replace("width", "size")
    found = renamed(editor, "base.yaml", at(base, "{‸n: 4}"), "m")
    assert edited(more, found["more.yaml"]) == more.replace("{n:", "{m:")
    assert edited(base, found["base.yaml"]) == base.replace("{n:", "{m:").replace("$n", "$m")
    for name in ("parts.yaml", "base.yaml", "more.yaml", "whole.yaml"):
        editor.close(name)


def test_what_comes_with_archc_keeps_its_name(editor: Editor) -> None:
    text = f"extends: resnet50\narguments: {{num_{CURSOR}classes: 10}}\n"
    with pytest.raises(JsonRpcException, match=r"`num_classes` is declared in `resnet50\.yaml`"):
        renamed(editor, "tuned.yaml", text, "n")


# Signatures


SIGNATURES = {
    "a key": ("layers: [{conv2d: {‸", "conv2d(out_channels, kernel_size, stride=1", None),
    "a value": ("layers: [{conv2d: {out_channels: 3, kernel_size: ‸", "conv2d(", "kernel_size"),
    "a position": ("layers: {a: {Unit: [8, ‸", "Unit(width, kernel=3)", "kernel=3"),
    "an only argument": ("layers: [{linear: ‸", "linear(out_features", "out_features"),
    "closed below": ("layers:\n  a: {max_pool2d: {stride: ‸}}\n  b: relu\n", "max_pool2d(", "stride"),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(editor: Editor, name: str) -> None:
    text, label, active = SIGNATURES[name]
    editor.check("call.yaml", SOUND)
    asked = types.SignatureHelpParams(*place(editor, "call.yaml", f"{HEAD}{text}"))
    found = editor.run(editor.client.text_document_signature_help_async(asked))
    assert found is not None
    (called,) = found.signatures
    assert called.label.startswith(label)
    shown = [str(each.label) for each in called.parameters or ()]
    assert all(each in called.label for each in shown)
    assert (None if found.active_parameter is None else shown[found.active_parameter].partition("=")[0]) == (
        active and active.partition("=")[0]
    )


@pytest.mark.parametrize("text", ["lay‸ers: [relu]", "layers: [re‸lu]", "layers: {a: relu, b: {add: [‸", "# con‸v"])
def test_outside_of_calls_is_no_signature(editor: Editor, text: str) -> None:
    editor.check("call.yaml", SOUND)
    asked = types.SignatureHelpParams(*place(editor, "call.yaml", f"{HEAD}{text}"))
    assert editor.run(editor.client.text_document_signature_help_async(asked)) is None


# Folding, links, colors, the workspace


def test_folding(editor: Editor) -> None:
    text = f"# one\n# two\n{SOUND}\n# a comment below\n"
    editor.check("fold.yaml", text)
    document = types.TextDocumentIdentifier(editor.uri("fold.yaml"))
    found = editor.run(editor.client.text_document_folding_range_async(types.FoldingRangeParams(document)))
    lines = text.split("\n")
    assert [(lines[each.start_line].strip(), lines[each.end_line].strip()) for each in found or ()] == [
        ("# one", "# two"),
        ("blocks:", "relu: relu"),
        ("Unit:", "relu: relu"),
        ("layers:", "relu: relu"),
        ("layers:", "fc: {linear: $num_classes}"),
    ]


def test_links(editor: Editor) -> None:
    (editor.folder / "parts.yaml").write_text(PARTS, "utf-8")
    text = "extends: resnet50\nimport: {parts.yaml: [Part], nowhere.yaml: [A]}\n"
    editor.check("links.yaml", text)
    document = types.TextDocumentIdentifier(editor.uri("links.yaml"))
    found = editor.run(editor.client.text_document_document_link_async(types.DocumentLinkParams(document)))
    assert [(each.target, each.range.start.line, each.range.start.character) for each in found or ()] == [
        (bundled()["resnet50"].resolve().as_uri(), 0, 9),
        ((editor.folder / "parts.yaml").resolve().as_uri(), 1, 9),
    ]


def colors(editor: Editor, name: str, text: str, span: types.Range | None = None) -> list[tuple[str, str]]:
    """The words of a text with the types that the server gives them."""
    document = types.TextDocumentIdentifier(editor.uri(name))
    if span is None:
        asked: Any = types.SemanticTokensParams(document)
        found = editor.run(editor.client.text_document_semantic_tokens_full_async(asked))
    else:
        asked = types.SemanticTokensRangeParams(document, span)
        found = editor.run(editor.client.text_document_semantic_tokens_range_async(asked))
    provider = editor.result.capabilities.semantic_tokens_provider
    assert found is not None
    assert provider is not None
    lines, line, column, words = text.split("\n"), 0, 0, []
    for down, right, length, kind, _ in zip(*[iter(found.data)] * 5, strict=True):
        line, column = line + down, right if down else column + right
        encoded = lines[line].encode("utf-16-le")[2 * column : 2 * (column + length)]
        words.append((encoded.decode("utf-16-le"), provider.legend.token_types[kind]))
    return words


def test_colors(editor: Editor) -> None:
    text = SOUND.replace("A convolution", "𝒳")
    editor.check("colors.yaml", text)
    found = colors(editor, "colors.yaml", text)
    assert found[:8] == [
        ("input", "keyword"),
        ("arguments", "keyword"),
        ("num_classes", "parameter"),
        ("blocks", "keyword"),
        ("Unit", "class"),
        ("description", "keyword"),
        ("arguments", "keyword"),
        ("width", "parameter"),
    ]
    assert found[-2:] == [("linear", "function"), ("num_classes", "parameter")]
    assert [word for word, kind in found if kind == "class"] == ["Unit"] * 3
    assert {word for word, kind in found if kind == "function"} <= set(KINDS)
    assert [word for word, kind in found if kind == "property"] == [
        *("out_channels", "kernel_size", "padding"),
        *("out_channels", "kernel_size", "stride", "padding"),
    ]
    line = text[: text.index("  sum:")].count("\n")
    span = types.Range(types.Position(line, 0), types.Position(line, units(text.split("\n")[line])))
    assert colors(editor, "colors.yaml", text, span) == [
        ("sum", "variable"),
        ("add", "function"),
        ("stem", "variable"),
        ("unit2", "variable"),
    ]


def test_symbols_of_the_workspace(editor: Editor) -> None:
    (editor.folder / "inner" / ".hidden").mkdir(parents=True)
    (editor.folder / "inner" / "small.yaml").write_text("name: Small\ninput: [3]\nlayers: [relu]\n", "utf-8")
    (editor.folder / "inner" / ".hidden" / "x.yaml").write_text("name: Smell\ninput: [3]\nlayers: [relu]\n", "utf-8")
    (editor.folder / "inner" / "compose.yaml").write_text("name: Small\nservices: {}\n", "utf-8")
    editor.check("typed.yaml", SOUND.replace("Unit", "Smaller"))

    def found(query: str) -> list[tuple[str, str, str | None]]:
        asked = types.WorkspaceSymbolParams(query)
        symbols = editor.run(editor.client.workspace_symbol_async(asked)) or ()
        return [(each.name, Path(each.location.uri).name, each.container_name) for each in symbols]

    (editor.folder / "typed.yaml").write_text("nothing yet", "utf-8")
    assert found("sml") == [("Smaller", "typed.yaml", "typed"), ("Small", "small.yaml", None)]
    assert found("zzz") == []
    assert ("typed", "typed.yaml", None) in found("")
