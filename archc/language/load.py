"""Loading of spec files with the files that they extend and import, from their folder or the bundled specs."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archc.kinds.base import shown
from archc.language.blocks import hand_down, parse_blocks
from archc.language.callees import callee, converted, resolve_callees
from archc.language.extension import extended, fits, takes
from archc.language.header import ExtendKeys, SpecKeys
from archc.language.initialization import parse_init
from archc.language.names import class_name_fault, class_name_of
from archc.language.parse import Parser
from archc.language.spec import Block, Expectations, Parameter, Spec
from archc.language.validate import meant, validate
from archc.library import FILE_NAME, bundled, named_file
from archc.limits import MAX_FILE_DEPTH, how_to_raise
from archc.problems import Fix, Mark, Problem, Problems, SpecError
from archc.reading import Map, Seq, read_file, read_text


def load_file(path: Path, name: str | None = None) -> Spec:
    """Load the spec in a file.

    Errors within the bodies are stored in the spec, so that evaluation can report further ones. Raises SpecError if
    there is no input or no body.
    """

    def load() -> Spec:
        loader = Loader()
        return loader.spec(read_file(path, name or str(path), faults=loader.problems), path.stem, (path,))

    return _with_plugins(load)


def load_text(text: str, name: str = "<text>", stem: str = "network") -> Spec:
    """Load the spec in a text, which can only extend and import bundled specs; otherwise like `load_file`."""

    def load() -> Spec:
        loader = Loader()
        return loader.spec(read_text(text, name, faults=loader.problems), stem, ())

    return _with_plugins(load)


def _with_plugins(load: Callable[[], Spec]) -> Spec:
    """Load a spec, and again if it names layer types of installed packages; other specs don't pay for the search."""
    try:
        spec = load()
        if not _installs(spec.problems):
            return spec
    except SpecError as error:
        if not _installs(error.problems):
            raise
    return load()


def _installs(problems: list[Problem]) -> bool:
    """Import the layer types of installed packages that a spec names; False if there are none."""
    unknown = [problem.mark.text.strip("\"'") for problem in problems if problem.mark and problem.code in _UNKNOWN]
    if not unknown:
        return False
    from archc.kinds.plugins import load_installed  # a valid spec doesn't need it

    return load_installed(unknown)


_UNKNOWN = {"E0201", "E0204"}
"""The errors at the name of an unknown layer; E0201 if its entry has other keys, such as `when`."""


def load_library(path: Path, name: str | None = None) -> dict[str, Block] | None:
    """The blocks of a file that only has blocks; None for any other file. Raises SpecError."""
    loader = Loader()
    root = read_file(path, name or str(path), faults=loader.problems)
    if not is_library(root):
        return None
    blocks = loader.blocks(root, (path,))
    loader.problems.raise_any()
    return blocks


def is_library(root: Map) -> bool:
    """Return True if a file only has blocks, for others to import."""
    return "blocks" in root and not root.keys() & {"input", "inputs", "layers", "branches", "extends"}


Trail = tuple[Path, ...]
"""The chain of files that leads to one, including itself."""
Read = Callable[[Path, str], Map]
"""Reads a file that a spec names, from its path and its name in messages. Raises SpecError."""


class Loader:
    """Converts the trees of files to specs.

    `problems` are the errors so far; `known` are the blocks that the spec can name, as far as they were read. A `trail`
    is the chain of files that leads to a tree, ending with its own; it is empty for a text.
    """

    def __init__(self, read: Read = read_file) -> None:
        self.read = read
        self.problems = Problems()
        self.known: dict[str, Block] = {}
        self._libraries: dict[Path, dict[str, Block]] = {}  # by file, each of which is read once

    def spec(self, root: Map, stem: str, trail: Trail) -> Spec:
        """The spec of a file's tree.

        Errors within the bodies are stored in the spec; raises SpecError if there is no input or no body.
        """
        again = self._again(root, stem, trail)
        root, self.known = self._whole(root, trail, "the spec")
        parser = Parser(self.problems, self.known)
        parameters = parser.parameters(root.get("arguments"), frozenset(), required=False)
        blocks = parse_blocks(root, parser, parameters)
        body = None
        if "layers" in root or "branches" in root:
            names = parser.inputs(root.get("inputs"))
            body = parser.body(root, root.mark, frozenset(parameters) | {"in_channels"}, "the spec", names)
        hand_down(body, blocks, parser)
        if body is not None:
            resolve_callees(body, parameters, parser.blocks, self.problems)
        self._missing(root)
        name = self._name(root, stem, parser.blocks)
        init = parse_init(root.get("init"), parser, frozenset(parameters) | {"in_channels"})
        expect = _expectations(root.get("expect"))
        checkpoint_keys = self._checkpoint_keys(root.get("checkpoint_keys"))
        keys = _head(root)
        inputs = keys.inputs or ({} if keys.input is None else {"input": keys.input})
        if not inputs or body is None or ("inputs" in root and inputs.keys() != body.inputs.keys()):
            raise SpecError(self.problems.sorted())
        marks = root["inputs"].values_at if "inputs" in root else root.values_at
        return Spec(
            name=name,
            stem=stem,
            description=keys.description or "",
            paper=keys.paper or "",
            inputs={name: tuple(shape) for name, shape in inputs.items()},
            input_marks={name: marks[name] for name in inputs},
            parameters=parameters,
            blocks=parser.blocks,
            body=body,
            init=init,
            expect=expect,
            checkpoint_keys=checkpoint_keys,
            source=root.mark.source,
            problems=self.problems.sorted(),
            again=again,
        )

    def _whole(self, root: Map, trail: Trail, what: str) -> tuple[Map, dict[str, Block]]:
        """A file's tree merged with everything that it extends, and the blocks that these files import.

        Errors are reported. Raises SpecError if the extended file doesn't exist.
        """
        if "extends" not in root and not isinstance(meant(root, ExtendKeys).get("extends"), str):
            validate(SpecKeys, root, root, _top(root), self.problems, what)
            root = meant(root, SpecKeys)
            return root, self._imports(root, trail)
        validate(ExtendKeys, root, root, _top(root), self.problems, "a spec that extends another")
        root = meant(root, ExtendKeys)
        if not isinstance(root["extends"], str):
            raise SpecError(self.problems.sorted())
        path, shown = self._file(root["extends"], root.values_at["extends"], trail)
        base = self.read(path, shown)
        tree, imported = self._whole(base, (*trail, path), what)
        imports = self._imports(root, trail)
        declared = root["blocks"] if isinstance(root.get("blocks"), Map) else ()
        kept = {name: block for name, block in imported.items() if name not in declared}
        return extended(tree, root, imports.keys(), self.problems), kept | imports

    def _again(self, root: Map, stem: str, trail: Trail) -> Callable[[dict[str, str]], Spec]:
        """A function that loads the spec of a file's tree again, with other texts."""
        source, read = root.mark.source, self.read

        def again(texts: dict[str, str]) -> Spec:
            def reading(path: Path, shown: str) -> Map:
                found = read(path, shown)
                name = found.mark.source.name
                return read_text(texts[name], name) if name in texts else found

            loader = Loader(reading)
            tree = read_text(texts.get(source.name, source.text), source.name, faults=loader.problems)
            return loader.spec(tree, stem, trail)

        return again

    def _checkpoint_keys(self, node: Any) -> dict[str, str | None]:
        """The patterns for keys of published weights. A new name with another number of `*` is reported."""
        found = dict(node) if isinstance(node, Map) else {}
        for pattern, name in found.items():
            if isinstance(name, str) and name.count("*") != pattern.count("*"):
                message = f"`{pattern}` and `{name}` need the same number of `*`"
                help = "each `*` of the new name becomes the text that the `*` in the same place of the pattern matches"
                self._report("E0203", message, node.values_at[pattern], help)
        return found

    def _missing(self, root: Map) -> None:
        """Report a missing input or body, and inputs that are declared twice."""
        if root.get("input") is not None and root.get("inputs") is not None:
            help = "write `input` for one input, and `inputs` for several with names"
            self._report("E0202", "the spec has both `input` and `inputs`", root.keys_at["inputs"], help)
        no_input = root.get("input") is None and root.get("inputs") is None
        no_body = not root.keys() & {"layers", "branches"}
        if no_input and no_body:
            help = "add `input: [3, 224, 224]` and `layers:`"
            self._report("E0202", "the spec has neither `input` nor `layers`", _top(root), help)
        elif no_body:
            self._report("E0202", "the spec has no `layers` and no `branches`", _top(root), "add `layers:`")
        elif no_input:
            self._report("E0202", "the spec is missing the key `input`", _top(root), "add `input: [3, 224, 224]`")

    def _name(self, root: Map, stem: str, blocks: dict[str, Block]) -> str:
        if isinstance(root.get("name"), str):
            name, mark = str(root["name"]), root.values_at["name"]
        else:
            # A file name can be any text, so convert it to a class name.
            name, mark = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", stem)), _top(root)
            name = name if name[:1].isalpha() else f"Network{name}"
        fault = class_name_fault(name)
        if fault:
            better = class_name_of(name) if "name" in root else ""
            help = "it names the emitted class" + (f": write `{better}`" if better else "")
            self._report("E0208", f"a network cannot be named `{name}`: {fault}", mark, help)
        elif name in blocks:
            help = "rename one of them" if "name" in root else "give the network a `name`"
            self._report("E0209", f"the network and a block are both named `{name}`", mark, help)
        return name

    def blocks(self, root: Map, trail: Trail) -> dict[str, Block]:
        """The blocks that a file defines or imports, for another file. Raises SpecError if a file is missing."""
        root, imported = self._whole(root, trail, "the file")
        parser = Parser(self.problems, imported)
        parameters = parser.parameters(root.get("arguments"), frozenset(), required=False)
        blocks = parse_blocks(root, parser, parameters)
        hand_down(None, blocks, parser)
        return parser.blocks

    def _imports(self, root: Map, trail: Trail) -> dict[str, Block]:
        found: dict[str, Block] = {}
        wanted = root.get("import")
        if not isinstance(wanted, Map):
            return found
        for file, names in wanted.items():
            if not isinstance(names, Seq):
                continue
            try:
                known = self._library(file, wanted.keys_at[file], trail)
            except SpecError as error:
                for problem in error.problems:
                    self.problems.add(problem)
                stubs = zip(names, names.items_at, strict=True)
                found |= {
                    name: Block(name, {}, "", mark, is_valid=False) for name, mark in stubs if isinstance(name, str)
                }
                continue
            for name, mark in zip(names, names.items_at, strict=True):
                if not isinstance(name, str):
                    continue  # reported by the types of the keys
                if name not in known:
                    help, fix = self.problems.suggest(name, known, mark)
                    self._report("E0215", f"`{file}` has no block `{name}`", mark, help, fix)
                    found.setdefault(name, Block(name, {}, "", mark, is_valid=False))
                elif name in found:
                    self._report("E0209", f"the block `{name}` is imported twice", mark, "import it from one file")
                else:
                    found[name] = known[name]
        return found

    def _library(self, file: str, mark: Mark, trail: Trail) -> dict[str, Block]:
        """The blocks of an imported file. Raises SpecError if it can't be read."""
        path, shown = self._file(file, mark, trail)
        known = self._libraries.get(path)
        if known is None:
            known = self._libraries[path] = self.blocks(self.read(path, shown), (*trail, path))
        return known

    def _file(self, file: str, mark: Mark, trail: Trail) -> tuple[Path, str]:
        """The path of a file that another names, and its name in messages. Raises SpecError."""
        path = named_file(file, trail[-1].parent if trail else None)
        if path is None:
            raise SpecError([self._unnamed(file, mark, trail)])
        names = [each.resolve() for each in trail]
        if path.resolve() in names:
            circle = " → ".join(each.name for each in [*trail[names.index(path.resolve()) :], path])
            raise SpecError([Problem("E0215", f"the files include each other in a circle: {circle}", mark)])
        if len(trail) >= MAX_FILE_DEPTH:
            what = f"`{file}` is one file too many: a chain of `extends` and `import` has at most {MAX_FILE_DEPTH}"
            raise SpecError([Problem("E0107", what, mark, help=how_to_raise("MAX_FILE_DEPTH"))])
        # Its name is relative, like that of the spec that names it.
        beside = Path(mark.source.name)
        if file != path.name:
            shown = path.as_posix() if beside.is_absolute() else f"specs/{path.name}"
        else:
            shown = str(beside.parent / file) if "/" in mark.source.name else file
        return path, shown

    def _unnamed(self, file: str, mark: Mark, trail: Trail) -> Problem:
        """The problem of a name that refers to no file."""
        if FILE_NAME.fullmatch(file) is None:
            if re.fullmatch(r"\w+", file):
                help, fix = self.problems.suggest(file, bundled(), mark)
                help = help or "`archc list` shows the bundled specs; write `name.yaml` for a file in the spec's folder"
                return Problem("E0215", f"there is no bundled spec named `{file}`", mark, help=help, fix=fix)
            help = "use the name of a file in the spec's folder, such as `name.yaml`, or of a bundled spec"
            return Problem("E0215", f"`{file}` is not a spec file in this folder", mark, help=help)
        if not trail:
            help = "a bundled spec is named without its extension, such as `resnet50`"
            return Problem("E0215", "a spec given as text has no folder to read from", mark, help=help)
        folder = trail[-1].parent
        if (folder / file).exists() and not (folder / file).is_file():
            return Problem("E0215", f"`{file}` is not a regular file", mark)
        if (folder / file).is_file():
            return Problem("E0215", f"`{file}` is outside the spec's folder", mark)
        help, fix = self.problems.suggest(file, sorted(other.name for other in folder.glob("*.y*ml")), mark)
        return Problem("E0215", f"no file `{file}` in the spec's folder", mark, help=help, fix=fix)

    def _report(self, code: str, message: str, mark: Mark, help: str = "", fix: Fix | None = None) -> None:
        self.problems.add(Problem(code, message, mark, help=help, fix=fix))


def _head(root: Map) -> SpecKeys:
    """The scalar keys of a spec; if some are wrong (and reported), only its input, if that is valid."""
    names = ("input", "inputs", "description", "paper")
    try:
        return SpecKeys.model_validate({name: root.get(name) for name in names})
    except ValidationError:
        pass
    try:
        return SpecKeys.model_validate({name: root.get(name) for name in ("input", "inputs")})
    except ValidationError:
        return SpecKeys.model_validate({})


def _top(root: Map) -> Mark:
    return root.mark._replace(end_line=root.mark.line, end_column=root.mark.column + 1)


def override(spec: Spec, settings: dict[str, Any]) -> dict[str, Parameter]:
    """The spec's arguments with other values. Raises SpecError for unknown names and wrong types."""
    parameters = dict(spec.parameters)
    problems = Problems()
    for name, value in settings.items():
        known = parameters.get(name)
        if known is None:
            help = problems.suggest(name, parameters)[0] or f"{spec.name} takes no arguments"
            problems.add(Problem("E0216", f"{spec.name} has no argument `{name}`", file=spec.source.name, help=help))
            continue
        value = _tuples(value)
        if not fits(value, known.default):
            message = f"the argument `{name}` takes {takes(known.default)}, got {shown(value)}"
            problems.add(Problem("E0203", message, known.mark, help=f"its value in the spec is {shown(known.default)}"))
            continue
        value = converted(value, known.callees, partial(callee, blocks=spec.blocks, mark=known.mark, problems=problems))
        parameters[name] = Parameter(name, value, False, known.mark, callees=known.callees)
    problems.raise_any()
    return parameters


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _expectations(node: Any) -> Expectations:
    """The numbers that a spec claims in `expect`."""
    if not isinstance(node, Map):
        return Expectations({}, {})
    claims = {name: value for name, value in node.items() if value is not None}
    return Expectations(claims, {name: node.values_at[name] for name in claims})
