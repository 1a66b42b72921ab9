"""The JSON Schema: it takes every sound spec, and refuses what is wrong in structure.

What it cannot say is listed here, code by code: a schema knows no other place of the file, no arithmetic, no shapes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from shell import Shell
from test_errors import CASES

import archc
from archc.kinds import KINDS
from archc.kinds.arguments import meanings
from archc.language.schema import SCHEMA_FILE, schema_text, spec_schema
from archc.library import bundled
from archc.problems import SpecError
from archc.reading import read_file, read_text
from archc.testing import Draft, specs

ROOT = Path(__file__).parents[1]
SCHEMA = spec_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

UNREADABLE = {"E0103", "E0104", "E0105", "E0106", "E0107"}
"""Codes of what no schema gets to see: it is not YAML, or not archc's."""

SEMANTIC = {
    "E0209": "two names, in different places, are the same",
    "E0210": "what a reference names",
    "E0212": "what a name in an expression means",
    "E0213": "what an expression is worth",
    "E0214": "blocks that lead back to themselves",
    "E0215": "what other files hold",
    "E0216": "which arguments the other file has",
    "E0220": "how much it all unfolds to",
    "E0221": "how many outputs an entry has",
    "E0222": "which layers the network has",
    "E0224": "which entries the other file has",
    "E0225": "how many inputs a block has",
    "E0226": "what the other entry is",
    "E0230": "what the author of the spec may do",
    "E0301": "shapes",
    "E0302": "shapes",
    "E0317": "shapes",
    "E0303": "arithmetic of arguments",
    "E0304": "arithmetic of arguments",
    "E0305": "arithmetic of arguments",
    "E0306": "shapes",
    "E0307": "shapes",
    "E0308": "shapes",
    "E0309": "arithmetic of arguments",
    "E0310": "shapes, and what `when` leaves",
    "E0311": "shapes",
    "E0312": "shapes",
    "E0313": "shapes",
    "E0314": "shapes",
    "E0315": "shapes",
    "E0316": "shapes",
    "E0320": "what reads which value",
    "E0321": "what reads which value",
    "E0401": "figures that follow from the shapes",
    "E0402": "figures that follow from the shapes",
}
"""Codes that are beyond any schema, and what it would have to know."""

STRUCTURAL = {
    "E0210_number_in_a_list",
    "E0215_import_outside",
    "E0225_list_of_one",
    "E0226_argument",
    "E0226_output",
    "E0310_no_inputs",
    "E0310_three_to_subtract",
}
"""Files of such codes that a schema refuses all the same."""

BEYOND = {
    "E0203_argument_without_dollar": "what an expression is worth",
    "E0203_buffer_values": "a rule between two arguments",
    "E0203_division": "what an expression is worth",
    "E0203_expression_value": "what an expression is worth",
    "E0203_init_number": "how large a weight can be",
    "E0203_init_of_an_expression": "what an expression is worth",
    "E0203_module_by_expression": "a target is like any text",
    "E0203_quoted_argument": "what an expression is worth",
    "E0203_no_such_vector": "a rule between two arguments",
    "E0203_recurrent_dropout": "a rule between two arguments",
    "E0203_same_beside_a_word": "a rule between two arguments",
    "E0203_size_that_follows": "what an expression is worth",
    "E0203_stars_of_a_key": "a rule between a key and its value",
    "E0203_uniform_range": "a rule between two arguments",
    "E0203_upsample_both": "a rule between two arguments",
    "E0203_word_argument": "what an expression is worth",
    "E0204_callee_as_value": "what a parameter stands for",
    "E0204_callee_join": "what a parameter stands for",
    "E0204_callee_none": "what a parameter stands for",
    "E0204_callee_unknown": "what a parameter stands for",
    "E0204_unknown_block": "which blocks the file has",
    "E0205_of_a_callee": "which arguments a block has",
    "E0205_unknown_argument_of_a_block": "which arguments a block has",
    "E0206_network_argument": "whether `null` is written, or nothing",
    "E0206_missing_argument_of_a_block": "which arguments a block has",
    "E0207_too_many": "which arguments a block has",
    "E0208_indexed_name": "what an expression is worth",
    "E0208_output_of_a_loop": "what an expression is worth",
    "E0208_variable": "a variable is any text to it",
    "E0211_call": "the grammar of expressions",
    "E0211_expression": "the grammar of expressions",
    "E0211_function": "the grammar of expressions",
    "E0211_keyword": "the grammar of expressions",
    "E0211_syntax": "the grammar of expressions",
    "E0211_too_long": "the grammar of expressions",
    "E0217_share_and_a_layer": "that of many keys only one may stand there",
    "E0217_two_layers": "that of many keys only one may stand there",
    "E0218_inputs_of_a_list": "whether `layers` beside it is a list",
    "E0218_reads_out_of_a_list": "what a reference crosses",
    "E0219_auxiliary_in_block": "a block's entries are the network's entries to it",
    "E0219_head_with_outputs": "how many outputs a block has",
    "E0219_head_with_parts": "how many parts a layer gives",
    "E0219_no_output_is_left": "what a condition is worth",
    "E0219_outputs_of_a_list": "whether `layers` beside it is a list",
    "E0219_reads_a_head": "what a reference names",
}
"""Files of the catalogue, of codes that are a schema's in general, and why it cannot tell."""


def faults(data: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(data)]


def test_the_schema_is_one(sh: Shell) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert sh("schema") == (0, schema_text(), "")
    assert json.loads(schema_text()) == SCHEMA


def test_the_file_beside_the_specs_is_the_schema() -> None:
    """`ARCHC_UPDATE=1` rewrites it."""
    path = ROOT / "specs" / SCHEMA_FILE
    if os.environ.get("ARCHC_UPDATE"):
        path.write_text(schema_text(), "utf-8")
    assert path.read_text("utf-8") == schema_text()


@pytest.mark.parametrize("path", bundled().values(), ids=lambda path: path.stem)
def test_a_bundled_spec_names_the_schema_and_fits_it(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith(f"# yaml-language-server: $schema={SCHEMA_FILE}\n")
    assert (path.parent / SCHEMA_FILE).is_file()
    assert faults(read_text(text, path.name)) == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests/networks").glob("*.yaml")), ids=lambda path: path.stem)
def test_sound_networks_fit(path: Path) -> None:
    assert faults(read_file(path, path.name)) == []


def test_a_new_spec_names_the_schema_and_fits_it(sh: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sh("new", "MyNet")
    text = Path("my_net.yaml").read_text("utf-8")
    assert text.startswith(f"# yaml-language-server: $schema={SCHEMA_FILE}\n")
    assert Path(SCHEMA_FILE).read_text("utf-8") == schema_text()
    assert faults(read_text(text, "my_net.yaml")) == []
    Path(SCHEMA_FILE).write_text("{}", "utf-8")  # an older archc's
    assert sh("new", "Other")[1] == f"other.yaml\n{SCHEMA_FILE}\n"


@given(specs(shares=True))
def test_sound_specs_fit(draft: Draft) -> None:
    """Whatever the language can say."""
    assert faults(read_text(draft.text, "spec.yaml")) == []


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_is_wrong_in_structure_is_refused(path: Path) -> None:
    """Each wrong spec of the catalogue, but for what is beyond a schema; and that fits it: the list is exact."""
    if path.stem[:5] in UNREADABLE or path.stem == "E0211_comma_in_flow_style":
        with pytest.raises(SpecError):
            read_file(path, path.name)
        return
    data = read_file(path, path.name)
    beyond = (path.stem[:5] in SEMANTIC and path.stem not in STRUCTURAL) or path.stem in BEYOND
    assert (faults(data) == []) == beyond


def test_nothing_is_listed_for_nothing() -> None:
    stems = {path.stem for path in CASES}
    assert set(BEYOND) | STRUCTURAL <= stems
    assert set(SEMANTIC) <= {stem[:5] for stem in stems}


@pytest.mark.parametrize(
    "wrong",
    [
        {"input": [3, 8, 8], "layers": [{"conv2d": {"out_channel": 3, "kernel_size": 3}}]},
        {"input": [3, 8, 8, 8, 8], "layers": ["relu"]},
        {"inputs": [3, 8, 8], "layers": ["relu"]},
        {"input": [3, 8, 8], "layers": ["rleu"]},
        {"input": [3, 8, 8], "layers": ["relu"], "branches": {"a": "relu"}},
        {"input": [3, 8, 8], "layers": {"a": {"linear": "$(max(8"}}},
        {"input": [3, 8, 8], "layers": {"a": {"max_pool2d": [1, 2, 3]}}},
        {"input": [3, 8, 8], "layers": {"a": {"conv2d": {"out_channels": 8, "kernel_size": 3, "padding": "sane"}}}},
    ],
    ids=str,
)
def test_mistyped_specs_are_refused(wrong: Any) -> None:
    assert faults(wrong)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_says_what_it_does(name: str) -> None:
    """What an editor shows: the kind's own words, its arguments with their meanings and defaults."""
    kind, schema = KINDS[name], SCHEMA["$defs"][name]
    assert schema["description"].startswith(" ".join((kind.__doc__ or "").split()))
    if kind.many:
        return
    arguments = schema["anyOf"][0]["properties"]
    assert list(arguments) == list(kind.model_fields)
    assert {argument: field["description"] for argument, field in arguments.items()} == meanings(kind)
    for argument, field in kind.model_fields.items():
        assert (argument in schema["anyOf"][0]["required"]) == field.is_required()
        if not field.is_required():
            assert arguments[argument]["default"] == json.loads(json.dumps(field.default))


def test_every_key_says_what_it_means() -> None:
    """Of specs, of those that extend, of blocks, entries and claims."""
    spec, extension, library = SCHEMA["anyOf"]
    (entry,) = (option for option in SCHEMA["$defs"]["entry"]["anyOf"] if "properties" in option)
    defs = SCHEMA["$defs"]
    for holder in (spec, extension, library, defs["block"], defs["expect"], entry):
        for key, schema in holder["properties"].items():
            meaning = schema.get("description") or defs[schema["$ref"].rpartition("/")[2]]["description"]
            assert len(meaning) > 3, key
    assert archc.load("vgg11").network.spec.expect.claims.keys() <= defs["expect"]["properties"].keys()
