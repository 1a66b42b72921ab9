"""Spec files to specs: a file, what it extends and what it imports, within one folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archc.expressions import Expression
from archc.language.blocks import parse_blocks
from archc.language.header import ExtendKeys, SpecKeys
from archc.language.initialization import parse_init
from archc.language.names import FILE_NAME, class_name_fault, parameter_name_fault
from archc.language.parse import Parser
from archc.language.spec import Block, Expectations, Parameter, Spec
from archc.language.validate import meant, validate
from archc.problems import Fix, Mark, Problem, Problems, SpecError
from archc.reading import Map, Seq, read_file, read_text


def load_file(path: Path, name: str | None = None) -> Spec:
    """The spec in a file.

    Faults within the bodies are kept with the spec, so that elaboration can tell of the rest too; raises
    SpecError where there is no input or no body to go on with.
    """
    loader = Loader(path.parent)
    return loader.spec(read_file(path, name or str(path), faults=loader.problems), path.stem, (path.name,))


def load_text(text: str, name: str = "<text>", stem: str = "network") -> Spec:
    """The spec in a text, which can neither extend nor import; as `load_file`."""
    loader = Loader(None)
    return loader.spec(read_text(text, name, faults=loader.problems), stem, ())


def load_library(path: Path, name: str | None = None) -> dict[str, Block] | None:
    """The blocks of a file that has nothing but blocks; None for any other file. Raises SpecError."""
    loader = Loader(path.parent)
    root = read_file(path, name or str(path), faults=loader.problems)
    if not is_library(root):
        return None
    blocks = loader.blocks(root, (path.name,))
    loader.problems.raise_any()
    return blocks


def is_library(root: Map) -> bool:
    """Whether a file has nothing but blocks, for others to import."""
    return "blocks" in root and not root.keys() & {"input", "layers", "branches", "extends"}


Read = Callable[[Path, str], Map]
"""How a file that a spec names is read: from its path, and what messages call it. Raises SpecError."""


class Loader:
    """Makes specs of the trees of one folder's files.

    `problems` are the faults so far; `known` the blocks that the spec can name, as far as they were read.
    """

    def __init__(self, folder: Path | None, read: Read = read_file) -> None:
        self.folder = folder
        self.read = read
        self.problems = Problems()
        self.known: dict[str, Block] = {}

    def spec(self, root: Map, stem: str, trail: tuple[str, ...]) -> Spec:
        """The spec of a file's tree; `trail` are the files that lead to it, itself the last.

        Faults within the bodies are kept with the spec; raises SpecError where there is no input or no body.
        """
        if "extends" in root:
            return self._extension(root, stem, trail)
        keys = validate(SpecKeys, root, root, _top(root), self.problems, "the spec")
        root = meant(root, SpecKeys)
        self.known = self._imports(root, trail)
        parser = Parser(self.problems, self.known)
        parameters = parser.parameters(root.get("parameters"), frozenset(), required=False)
        parse_blocks(root, parser)
        body = None
        if "layers" in root or "branches" in root:
            body = parser.body(root, root.mark, frozenset(parameters) | {"in_channels"}, "the spec")
        else:
            self._report("E0202", "the spec has no `layers` and no `branches`", _top(root), "add `layers:`")
        if root.get("input") is None:
            self._report("E0202", "the spec lacks the key `input`", _top(root), "add `input: [3, 224, 224]`")
        name = self._name(root, stem, parser.blocks)
        init = parse_init(root.get("init"), self.problems)
        expect = _expectations(root.get("expect"))
        if keys is None:  # what is wrong is told; the layers are looked at all the same
            keys = _input_alone(root)
        if keys.input is None or body is None:
            raise SpecError(self.problems.sorted())
        return Spec(
            name=name,
            stem=stem,
            description=keys.description or "",
            paper=keys.paper or "",
            input=_size(keys.input),
            input_mark=root.values_at["input"],
            parameters=parameters,
            blocks=parser.blocks,
            body=body,
            init=init,
            expect=expect,
            source=root.mark.source,
            problems=self.problems.sorted(),
        )

    def _name(self, root: Map, stem: str, blocks: dict[str, Block]) -> str:
        if isinstance(root.get("name"), str):
            name, mark = str(root["name"]), root.values_at["name"]
        else:
            # A file's name is any text: make a class name of it.
            name, mark = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", stem)), _top(root)
            name = name if name[:1].isalpha() else f"Network{name}"
        fault = class_name_fault(name)
        if fault:
            mended = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9_]+", name))
            help = "it names the emitted class"
            help += f": write `{mended}`" if "name" in root and not class_name_fault(mended) else ""
            self._report("E0208", f"a network cannot be called `{name}`: {fault}", mark, help)
        elif name in blocks:
            help = "rename one of them" if "name" in root else "give the network a `name`"
            self._report("E0209", f"the network and a block are both called `{name}`", mark, help)
        return name

    def _extension(self, root: Map, stem: str, trail: tuple[str, ...]) -> Spec:
        mark = _top(root)
        keys = validate(ExtendKeys, root, root, mark, self.problems, "a spec that extends another")
        for problem in self.problems.sorted():
            if problem.mark in [root.keys_at.get(key) for key in ("layers", "branches", "blocks", "join", "init")]:
                problem.help = "a spec that extends another changes its parameters; what else differs becomes one"
        if not isinstance(root["extends"], str):
            raise SpecError(self.problems.sorted())
        base_root = self._file(root["extends"], root.values_at["extends"], trail)
        base = self.spec(base_root, Path(root["extends"]).stem, (*trail, root["extends"]))
        parameters = dict(base.parameters)
        known = frozenset(base.parameters)
        given = Parser(self.problems, {}).parameters(root.get("parameters"), known, required=False)
        for name, parameter in given.items():
            if parameter_name_fault(name) or parameter.default is None:
                continue  # reported when it was read
            if name not in parameters:
                help, fix = self.problems.suggest(name, parameters, parameter.mark)
                self._report("E0216", f"`{root['extends']}` has no parameter `{name}`", parameter.mark, help, fix)
            else:
                if not _same_type(parameter.default, parameters[name].default):
                    message = f"the parameter `{name}` takes {_type(parameters[name].default)}"
                    self._report(
                        "E0203", message, parameter.mark, f"`{root['extends']}` says {parameters[name].default!r}"
                    )
                self._reads_earlier(name, parameter.default, list(base.parameters), root["extends"])
                parameters[name] = Parameter(name, parameter.default, False, parameter.mark)
        name = self._name(root, stem, base.blocks)
        self.problems.raise_any()
        assert keys is not None
        return Spec(
            name=name,
            stem=stem,
            description=keys.description or base.description,
            paper=keys.paper or base.paper,
            input=_size(keys.input) if keys.input else base.input,
            input_mark=root.values_at.get("input", base.input_mark),
            parameters=parameters,
            blocks=base.blocks,
            body=base.body,
            init=base.init,
            expect=_expectations(root.get("expect")),
            source=root.mark.source,
            problems=base.problems,
        )

    def _reads_earlier(self, name: str, value: Any, order: list[str], file: str) -> None:
        """Report what a value reads of the parameters that get theirs after it, in the order of the extended file."""
        for expression in _expressions(value):
            for other in sorted(expression.names.intersection(order[order.index(name) :])):
                stands = "is the parameter itself" if other == name else f"stands after `{name}` in `{file}`"
                help = "a value can use the parameters that stand before its own there"
                self._report("E0212", f"`{other}` {stands}", expression.mark, help)

    def blocks(self, root: Map, trail: tuple[str, ...]) -> dict[str, Block]:
        """The blocks that a file defines or imports, for another to use. Raises SpecError where a file is missing."""
        parser = Parser(self.problems, self._imports(root, trail))
        validate(SpecKeys, root, root, _top(root), self.problems, "the file")
        parse_blocks(root, parser)
        return parser.blocks

    def _imports(self, root: Map, trail: tuple[str, ...]) -> dict[str, Block]:
        found: dict[str, Block] = {}
        wanted = root.get("import")
        if not isinstance(wanted, Map):
            return found
        for file, names in wanted.items():
            if not isinstance(names, Seq):
                continue
            try:
                library = self._file(file, wanted.keys_at[file], trail)
            except SpecError as error:
                for problem in error.problems:
                    self.problems.add(problem)
                stubs = zip(names, names.items_at, strict=True)
                found |= {name: Block(name, {}, "", mark, sound=False) for name, mark in stubs if isinstance(name, str)}
                continue
            known = self.blocks(library, (*trail, file))
            for name, mark in zip(names, names.items_at, strict=True):
                if not isinstance(name, str):
                    continue  # told by the types of the keys
                if name not in known:
                    help, fix = self.problems.suggest(name, known, mark)
                    self._report("E0215", f"`{file}` has no block `{name}`", mark, help, fix)
                    found.setdefault(name, Block(name, {}, "", mark, sound=False))
                elif name in found:
                    self._report("E0209", f"the block `{name}` is imported twice", mark, "import it from one file")
                else:
                    found[name] = known[name]
        return found

    def _file(self, file: str, mark: Mark, trail: tuple[str, ...]) -> Map:
        if self.folder is None:
            raise SpecError([Problem("E0215", "a spec given as text has no folder to read from", mark)])
        if not FILE_NAME.fullmatch(file):
            help = "only files of the spec's own folder can be named, as `name.yaml`"
            raise SpecError([Problem("E0215", f"`{file}` is no spec file of this folder", mark, help=help)])
        if file in trail:
            circle = " → ".join([*trail[trail.index(file) :], file])
            raise SpecError([Problem("E0215", f"the files lead back to themselves: {circle}", mark)])
        path = self.folder / file
        if not path.is_file():
            known = sorted(other.name for other in self.folder.glob("*.y*ml"))
            help, fix = self.problems.suggest(file, known, mark)
            raise SpecError([Problem("E0215", f"no file `{file}` in the spec's folder", mark, help=help, fix=fix)])
        if path.resolve().parent != self.folder.resolve():
            raise SpecError([Problem("E0215", f"`{file}` leads out of the spec's folder", mark)])
        # Shown beside the spec that names it, as that was shown.
        shown = str(Path(mark.source.name).parent / file) if "/" in mark.source.name else file
        return self.read(path, shown)

    def _report(self, code: str, message: str, mark: Mark, help: str = "", fix: Fix | None = None) -> None:
        self.problems.add(Problem(code, message, mark, help=help, fix=fix))


def _input_alone(root: Map) -> SpecKeys:
    """The keys of a spec of which some are wrong: its input, if that is right."""
    try:
        return SpecKeys.model_validate({"input": root.get("input")})
    except ValidationError:
        return SpecKeys.model_validate({})


def _expressions(value: Any) -> Iterator[Expression]:
    if isinstance(value, Expression):
        yield value
    for item in value if isinstance(value, tuple) else ():
        yield from _expressions(item)


def _size(sizes: list[int]) -> tuple[int, int, int]:
    channels, height, width = sizes
    return channels, height, width


def _top(root: Map) -> Mark:
    return root.mark._replace(end_line=root.mark.line, end_column=root.mark.column + 1)


def override(spec: Spec, settings: dict[str, Any]) -> dict[str, Parameter]:
    """The spec's parameters with other values. Raises SpecError for unknown names and other types."""
    parameters = dict(spec.parameters)
    problems = Problems()
    for name, value in settings.items():
        known = parameters.get(name)
        if known is None:
            help = problems.suggest(name, parameters)[0] or f"{spec.name} has no parameters"
            problems.add(Problem("E0216", f"{spec.name} has no parameter `{name}`", file=spec.source.name, help=help))
            continue
        value = _tuples(value)
        if not _same_type(value, known.default):
            message = f"the parameter `{name}` takes {_type(known.default)}, got {value!r}"
            problems.add(Problem("E0203", message, known.mark, help=f"its value in the spec is {known.default!r}"))
            continue
        parameters[name] = Parameter(name, value, False, known.mark)
    problems.raise_any()
    return parameters


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _type(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
    return "a list"


def _same_type(value: Any, default: Any) -> bool:
    if isinstance(value, Expression) or isinstance(default, Expression):
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) == isinstance(value, bool)
    if isinstance(default, int | float):
        return isinstance(value, int | float | tuple)
    if isinstance(default, str | tuple):
        return isinstance(value, type(default)) or (isinstance(default, tuple) and isinstance(value, int))
    return True


def _expectations(node: Any) -> Expectations:
    """The figures a spec claims of itself."""
    if not isinstance(node, Map):
        return Expectations({}, {})
    claims = {name: value for name, value in node.items() if value is not None}
    return Expectations(claims, {name: node.values_at[name] for name in claims})
