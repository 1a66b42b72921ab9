"""Strategies of whole specs that are valid by construction.

A spec is drawn from its input on, entry by entry, and read at once by `Meaning`, which follows the shapes.
A layer is legal for the shape at hand because its kind says so (`arguments`). What is only known later is
repaired, not drawn again: a branch that came out too small gets a layer that fits it to the others, a loop that
outgrows its input gets fewer turns, a second call of a block falls back to the arguments of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from hypothesis import strategies as st

from archc.kinds import KINDS, Join, Kind, Shape, volume
from archc.kinds.initializers import INITIALIZERS
from archc.language.initialization import initialized_kinds
from archc.language.spec import Callee
from archc.testing.arguments import draw_arguments, is_valid, kinds_for, reads_integers, repaired
from archc.testing.draft import Data, Draft
from archc.testing.formula import Formula, evaluated, formulas_of, named
from archc.testing.meaning import (
    IndexedName,
    Layer,
    Meaning,
    Outputs,
    Owner,
    Unsound,
    is_present,
    may_be_shared,
    named_arguments,
    turns,
    value_of,
)


@st.composite
def specs(
    draw: st.DrawFn,
    most: int = 200,
    kinds: Collection[str] | None = None,
    ranks: Sequence[int] = (2,),
    most_inputs: int = 1,
    shares: bool = False,
) -> Draft:
    """Sound specs of the whole language with up to about `most` layers once blocks and loops are unfolded.

    With `kinds`, layers of these kinds alone, beside the joins; they must leave maps as maps. `ranks` are the numbers
    of axes after the channels that an input may have: 2 for images, 0 for vectors. A network has at most `most_inputs`.
    With `shares`, some entries run earlier ones once more.
    """
    size = draw(st.sampled_from([2, 4, 6, 8, 8, 12, 12, 16, 16, 24, 40, most]))
    return _Writer(draw, min(size, most), kinds, ranks, most_inputs, shares).spec()


@st.composite
def settings_of(draw: st.DrawFn, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Other values of the same types for some of a network's parameters; archc may refuse them."""
    names = draw(st.lists(st.sampled_from(sorted(parameters)), min_size=1, unique=True)) if parameters else []
    return {name: draw(like(parameters[name])) for name in names}


def like(value: Any) -> st.SearchStrategy[Any]:
    """Values of the type of another, itself among them."""
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int):
        return st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8, 16, value + 1, value * 2])
    if isinstance(value, Callee):
        return st.sampled_from([value, *(Callee(name, KINDS[name]) for name in _CALLEES)])
    if isinstance(value, str):
        return st.sampled_from([value, *(_TERMS if value in _TERMS else _CALLEES)])
    if isinstance(value, tuple):
        return st.tuples(*map(like, value))
    return st.sampled_from([0.5, 0.25, 0.0, value])


# Names that a careless emitter would use itself, or make of another name, are among them.
_LAYERS = (
    *("x", "conv", "branch1", "out", "self", "nn", "torch", "layer", "i", "features", "int", "halves", "a_b", "T"),
    *("a-1", "x-y-2", "x_", "out_", "heads", "list", "list_", "x_in", "module", "block0", "turn"),
)
_PARAMETERS = ("c", "k", "width", "depth", "flag", "out", "conv", "p", "n2", "layer", "i", "j", "turn", "heads")
_LONGEST = {0: (), 1: (24,), 2: (12, 12), 3: (4, 6, 6)}  # axes of an input, by their number
_VARIABLES = ("i", "j", "row", "t")
_INPUTS = ("x", "skip", "y", "low", "image", "conv", "out", "heads", "kept", "branch1", "out_", "i", "in_channels")
_BLOCKS = ("Block", "Stage", "Unit", "ConvBN", "Head", "Add", "X", "Concat")  # two are modules of archc
_VALUES: tuple[Any, ...] = (1, 2, 3, 4, 6, True, False, 0.25)
_LISTS: tuple[Any, ...] = ((1, 1), (3, 3), (2, 1), (1, 2, 3), ((4, 1), (2, 2)))
_TERMS = ("zeros", "reflect", "nearest", "bilinear", "tanh")  # values of arguments that are words
_CALLEES = ("relu", "silu", "hardswish", "prelu", "batch_norm2d", "identity")  # layers that parameters name
_SENTENCES = st.sampled_from(
    ["A network.", "é × “quoted” \\ and 'single'", 'ends with a quote"', "# not a comment: text"]
)


@dataclass
class _Block:
    """A block that can be called: what was given the first time, and whether it has several outputs."""

    parameters: dict[str, Any]
    given: dict[str, Any]


@dataclass
class _Writer:
    """Draws one spec; `left` is how many layers it may still have."""

    draw: st.DrawFn
    left: int
    only: Collection[str] | None = None
    ranks: Sequence[int] = (2,)
    most_inputs: int = 1
    shares: bool = False
    blocks: dict[str, Data] = field(default_factory=dict)
    known: dict[str, _Block] = field(default_factory=dict)
    reads: set[str] = field(default_factory=set)  # names of the bodies around that the current one reads
    network: Data = field(default_factory=dict)  # the values of the network's parameters
    inside: bool = False  # whether the body at hand is in a block
    integers: dict[str, Shape] = field(default_factory=dict)  # the network's inputs of integers
    favorite: type[Kind] | None = None  # a kind that is taken at the first chance, so that none is rare

    # Draws

    def choose(self, options: Iterable[Any]) -> Any:
        return self.draw(st.sampled_from(list(options)))

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(0, one_in - 1)) == one_in - 1

    def kind(self, options: Sequence[type[Kind]]) -> type[Kind]:
        """One of several kinds: the favorite, if it is among them."""
        kind: type[Kind] = self.choose(options)
        if self.favorite is None or self.favorite not in options:
            return kind
        kind, self.favorite = self.favorite, None
        return kind

    # The spec

    def spec(self) -> Draft:
        favorite: type[Kind] = self.choose(kind for kind in KINDS.values() if not kind.opaque)
        self.favorite = favorite if self.only is None else None
        count = self.draw(st.integers(1, self.most_inputs))
        x = self.input([rank for rank in self.ranks if _may_hold(favorite, rank)] or self.ranks)
        others = [self.input(self.ranks) for _ in range(count - 1)]
        embeds = self.most_inputs > 1 and self.only is None and (reads_integers(favorite) or self.chance(8))
        words: list[Shape] = [self.choose([(1,), (3,), (4,), (2, 3)])] if embeds else []
        others += words
        inputs = self.inputs([x, *others]) if others or (self.most_inputs > 1 and self.chance(4)) else {}
        self.integers = dict(list(inputs.items())[len(inputs) - len(words) :])
        data: Data = {"name": "Net"}
        data |= {"inputs": {name: list(shape) for name, shape in inputs.items()}} if inputs else {"input": list(x)}
        parameters = self.parameters() if self.chance(2) else {}
        if parameters:
            data["arguments"] = parameters
        self.network = {name: evaluated(value, {}) for name, value in parameters.items()}
        scope = {**self.network, "in_channels": x[0]}
        body, _ = self.body(x, scope, {}, 0, network=True, inputs=inputs)
        if self.blocks:
            data["blocks"] = self.blocks
        data |= body
        meaning = self.whole()
        outputs = meaning.body(data, x, scope, {}, others)
        if self.chance(4):
            data["description"] = self.draw(_SENTENCES)
        if self.chance(4):
            data |= self.init(meaning.layers)
        if self.chance(6):
            data["expect"] = {"outputs": {name or "output": list(shape) for name, shape in outputs.items()}}
        return Draft(data, tuple(meaning.layers), outputs, frozenset(meaning.decided))

    def input(self, ranks: Sequence[int]) -> Shape:
        rank = self.choose(ranks)
        x: Shape = tuple(self.draw(st.integers(1, high)) for high in (4, *_LONGEST[rank]))
        return (x[0], *(length if self.chance(8) else max(length, 4) for length in x[1:]))

    def inputs(self, shapes: Sequence[Shape]) -> dict[str, Shape]:
        """Names for inputs."""
        count = len(shapes)
        names = self.draw(st.lists(st.sampled_from(_INPUTS), min_size=count, max_size=count, unique=True))
        return dict(zip(names, shapes, strict=True))

    def init(self, layers: list[Layer]) -> Data:
        """Rules for kinds and for paths that there are."""
        known = initialized_kinds()
        weighted = [layer for layer in layers if layer.kind.kind in known and not layer.shared]
        rules = []
        for _ in range(self.draw(st.integers(1, 2)) if weighted else 0):
            layer = self.choose(weighted)
            rule: Data = {"match": layer.path if self.chance(2) else [layer.kind.kind]}
            if self.chance(3):
                *parts, last = layer.path.split(".")
                part = ".".join(parts[: self.draw(st.integers(1, len(parts)))]) if parts else last[:1]
                rule["match"] = self.choose([part, f"{part}.*", f"*.{last}"] if parts else [f"{part}*"])
            state = layer.kind.state
            model = self.choose([m for m in INITIALIZERS.values() if state["weight"].fans or not m.fans])
            name = model.torch.rstrip("_")
            rule["weight"] = {name: {"val": 0.5}} if name == "constant" else self.choose([name, {name: {}}, 0.5])
            if "bias" in state and self.chance(2):
                rule["bias"] = 0
            rules.append(rule)
        return {"init": rules} if rules else {}

    def parameters(self) -> Data:
        found: Data = {}
        for name in self.draw(st.lists(st.sampled_from(_PARAMETERS), min_size=1, max_size=3, unique=True)):
            found[name] = self.choose([*_VALUES, *_LISTS, *_TERMS] if self.chance(2) else _VALUES)
            if self.chance(4):
                found[name] = self.choose([*_CALLEES, *self.alone() * 2])
        return found

    def alone(self) -> list[str]:
        """The blocks that can be called without arguments."""
        return [
            name
            for name, block in self.blocks.items()
            if None not in block["arguments"].values() and len(block.get("inputs", ["x"])) == 1
        ]

    # Bodies

    def body(
        self,
        x: Shape,
        scope: Data,
        names: Mapping[str, Outputs],
        depth: int,
        *,
        network: bool = False,
        inputs: Mapping[str, Shape] | None = None,
    ) -> tuple[Data, Outputs]:
        """`layers` or `branches` for an input, or for the `inputs` that are declared, and their results."""
        form = self.choose(["list", "mapping", "mapping", "branches"] if depth < 3 else ["list", "mapping"])
        form = "mapping" if inputs and (len(inputs) > 1 or form == "branches") else form
        if form == "branches":
            body = self.branches(x, scope, names, depth)
        elif form == "list":
            body = {"layers": self.chain(x, scope, depth)}
        else:
            body = self.mapping(x, scope, names, depth, network=network, inputs=inputs)
        declared = {"inputs": list(inputs)} if inputs else {}
        others = list((inputs or {}).values())[1:]
        try:
            return body, self.whole().body({**body, **declared}, x, scope, names, others)
        except Unsound:  # the layers that join and fit branches have made it too large
            if not others:
                return {"layers": ["relu"]}, {None: x}
            assert inputs is not None
            outputs = {f"y{at}": name for at, name in enumerate(inputs) if name not in self.integers}
            made: Outputs = {name: inputs[source] for name, source in outputs.items()}
            return {"layers": {"unused": {"relu": None}}, "outputs": {**outputs, "y0": "unused"}}, made

    def chain(self, x: Shape, scope: Data, depth: int) -> list[Any]:
        """The entries of a list."""
        entries: list[Any] = []
        fresh = False  # whether the value at hand has memory of its own and no other reader
        for _ in range(self.draw(st.integers(1, self.most(depth)))):
            entry, made = self.entry(x, scope, {}, depth, alone=True, inplace=fresh)
            if None not in made:
                entry, made = self.fallback(x)
            fresh = _is_fresh(entry, self.at(x, scope))
            entries.append(entry)
            x = made[None]
            if self.left <= 0:
                break
        return entries

    def most(self, depth: int) -> int:
        return max(1, min(self.left, 6 + self.left // 10 if depth == 0 else 4))

    def mapping(
        self,
        x: Shape,
        scope: Data,
        names: Mapping[str, Outputs],
        depth: int,
        *,
        network: bool = False,
        inputs: Mapping[str, Shape] | None = None,
    ) -> Data:
        """Named entries, with references among them; nothing is left unread, of `inputs` that are declared, too."""
        entries: Data = {}
        inputs = inputs or {}
        numbers = {name: shape for name, shape in inputs.items() if not (network and name in self.integers)}
        outer = {name: made for name, made in names.items() if name != "input"}
        known: dict[str, Outputs] = {**outer, "input": {None: x}, **{n: {None: shape} for n, shape in numbers.items()}}
        local: set[str] = {"input", *inputs}
        unread: list[str] = list(numbers)
        at = "input"
        taken: set[str] = set(inputs)  # names, and stems of loops' names
        first_input = set(list(inputs)[:1])
        owners: dict[str, Owner] = {}  # the entries that others can share

        def place(name: str, entry: Any, made: Outputs, read: Iterable[str]) -> None:
            nonlocal at
            entries[name] = entry
            seen = {reference.partition(".")[0] for reference in read}
            seen |= first_input if "input" in seen else set()
            unread[:] = [other for other in unread if other not in seen]
            self.reads |= seen - local
            known[name] = made
            local.add(name)
            unread.append(name)
            at = name

        for words in inputs.keys() - numbers.keys():
            embedding, y = self.embedding(inputs[words], self.at(inputs[words], scope))
            place(self.name(taken), {**embedding, "from": words}, {None: y}, {words})
        for _ in range(self.draw(st.integers(1, self.most(depth)))):
            name = self.name(taken)
            around, self.reads = self.reads, set()
            ways = ["next", "next", "next", "from", "join", "head" if network else "join", "loop"]
            ways += ["share"] * min(len(owners), 2) if self.shares else []
            action = self.choose(ways)
            if action == "share":
                shared = self.shared(owners, at, known, scope)
                if shared is not None:
                    entry, made, read = shared
                    self.reads = around
                    again = self.again(name, entry, at, known, owners, scope)
                    if again is not None:
                        key, entry, last = again
                        entries[key] = entry
                        name, entry, read = self.name(taken), self.choose(["relu", "identity"]), [at]
                        if last is not None:
                            local.add(last)
                            known[last] = made
                            name, entry, read = self.name(taken), {"identity": None, "from": last}, [at, last]
                    place(name, entry, made, read)
                    continue
            if self.left > 0 and (action == "join" or (action == "head" and name != "output" and self.chance(3))):
                joined = self.joined(at, known)
                if joined is not None:
                    self.reads = around
                    self.left -= 1
                    if action == "head":
                        entries[name] = {**joined[0], "auxiliary": True}
                        local.add(name)
                        continue
                    entry, made, operands = joined
                    if None in known[at] and self.chance(4):
                        arriving = self.at(known[at][None], scope)
                        entry = self.conditional(entry, arriving)
                        if "when" in entry:  # the others are read nowhere where it is false
                            operands = operands[:1]
                            made = made if is_present(entry, arriving) else {None: value_of(operands[0], known)}
                    place(name, entry, made, operands)
                    continue
            if action == "loop" and None in known[at] and depth < 3:
                loop = self.named_loop(known[at][None], scope, depth, name)
                if loop is not None:
                    self.reads = around
                    last, made = loop[2:]
                    entries[loop[0]] = loop[1]
                    if isinstance(loop[1].get("repeat", loop[1].get("in")), Formula):
                        last = self.name(taken)  # which turn is the last one, if any, differs from call to call
                        entries[last] = self.choose(["relu", "tanh", "identity"])
                    if last is not None:
                        gone = {at, *first_input} if at == "input" else {at}
                        unread[:] = [other for other in unread if other not in gone]
                        known[last] = made
                        local.add(last)
                        unread.append(last)
                        at = last
                    continue
            references = [f"{other}.{part}" if part else other for other, made in known.items() for part in made]
            source = at
            if None not in known[at]:
                source = self.choose([reference for reference in references if reference.startswith(f"{at}.")])
            elif action == "from" and len(unread) < 3:
                source = self.choose(references)
            given = value_of(source, known)
            others: list[str] = []
            if depth < 3 and self.left > 1 and self.chance(6):
                others = self.draw(st.lists(st.sampled_from(references), min_size=1, max_size=2))
                others = [other for other in unread if None in known[other] and self.chance(2)][:1] or others
                inner_shapes = [value_of(other, known) for other in others]
                entry, made = self.several(given, inner_shapes, scope, depth)
                arriving = self.at(given, scope)
                entry = self.conditional(entry, arriving) if self.chance(4) else entry
                made = made if is_present(entry, arriving) else {None: given}
                entry = {**entry, "from": [source, *others]}
            else:
                entry, made = self.entry(given, scope, known, depth, inplace=False)
            if source != at and not others:
                entry = {**_as_mapping(entry), "from": source}
            if action == "head" and None in made and name != "output" and at != "input":
                self.reads = around
                entries[name] = {**_as_mapping(entry), "auxiliary": True}
                local.add(name)
                continue
            inner, self.reads = self.reads, around
            # What is read under a condition is read nowhere where the condition is false.
            sure = set() if isinstance(entry, dict) and "when" in entry else inner
            self.reads |= inner - local
            sure |= set() if isinstance(entry, dict) and "when" in entry else set(others)
            self.reads |= {other.partition(".")[0] for other in others} - local
            place(name, entry, made, {source, *sure})
            if may_be_shared(entry) and is_present(entry, self.at(given, scope)):
                inner_shapes = [value_of(other, known) for other in others]
                owners[name] = Owner(entry, self.at(given, scope), (given, *inner_shapes))
            if self.left <= 0:
                break
        if at == "input":  # nothing but heads and empty loops
            place(self.name([*entries, *inputs]), "identity", {None: x}, {at})
        if (len(unread) > 1 or self.chance(8)) and self.chance(3):
            return {"layers": entries, "outputs": self.outputs(unread, known, scope)}
        self.close([*entries, *inputs], known, unread, at, place)
        return {"layers": entries}

    def shared(
        self, owners: Mapping[str, Owner], at: str, known: Mapping[str, Outputs], scope: Data
    ) -> tuple[Any, Outputs, list[str]] | None:
        """An entry that runs an earlier one once more, its results and what it reads; None where no input fits."""
        name = self.choose(owners)
        shapes = {f"{other}.{part}" if part else other: y for other, made in known.items() for part, y in made.items()}
        found: list[tuple[list[str], Outputs]] = []
        for reference in shapes:
            read = [reference, *(self.choose(shapes) for _ in owners[name].inputs[1:])]
            made, count = self.read_share(owners[name], [shapes[each] for each in read], known)
            if made and count <= max(self.left, 4):
                found.append((read, made))
        if not found:
            return None
        here = [each for each in found if each[0] == [at]]
        read, made = self.choose(here if here and not self.chance(3) else found)
        self.left -= 1
        share: Data = {"share": name}
        if read != [at] or self.chance(4):
            share["from"] = read[0] if len(read) == 1 else read
        if self.chance(4) and len(read) == 1 and None in made:
            arriving = self.at(shapes[read[0]], scope)
            share = self.conditional(share, arriving)
            made = made if is_present(share, arriving) else {None: shapes[read[0]]}
        return share, made, read

    def read_share(self, owner: Owner, inputs: Sequence[Shape], known: Mapping[str, Outputs]) -> tuple[Outputs, int]:
        """The results of an entry for other inputs, and how many layers it has; none where other weights are needed."""
        meaning = self.meaning()
        try:
            meaning.run(owner.entry, owner.inputs, owner.scope, known)
            layers = tuple(meaning.layers)
            meaning.owners[""] = owner._replace(layers=layers)
            return meaning.share("", tuple(inputs), known), len(layers)
        except Unsound:
            return {}, 0

    def again(
        self, name: str, entry: Data, at: str, known: Mapping[str, Outputs], owners: Mapping[str, Owner], scope: Data
    ) -> tuple[str, Data, str | None] | None:
        """A share in a loop: its key, itself, and the name of its last turn if that is sure; None where none fits."""
        x = known[at].get(None)
        index = next((variable for variable in _VARIABLES if variable not in scope), None)
        if set(entry) != {"share"} or x is None or index is None or not self.chance(2):
            return None
        if self.read_share(owners[entry["share"]], [x], known)[0] != {None: x}:
            return None
        count = self.written(self.choose([0, 1, 2, 3]), self.at(x, scope))
        loop = {**entry, "repeat": count, "index": index}
        last = f"{name}_{count - 1}" if isinstance(count, int) and count else None
        return IndexedName(f"{name}_", named(index)), loop, last

    def outputs(self, unread: list[str], known: Mapping[str, Outputs], scope: Data) -> Any:
        """Every value that nothing reads as a named output; some of them by a loop."""
        references = [f"{name}.{part}" if part else name for name in unread for part in known[name]]
        plain = [reference for reference in references if "." not in reference]
        variable = next((name for name in _VARIABLES if name not in scope), None)
        if len(plain) > 1 and variable is not None and self.chance(3):
            name = IndexedName(self.choose(["", "out-", "y_"]), named(variable))
            loop = {"for": variable, "in": plain, name: IndexedName("", named(variable))}
            others = {f"y{at}": reference for at, reference in enumerate(references) if reference not in plain}
            return [loop, others] if others else self.choose([loop, [loop]])
        if all("." not in reference for reference in references) and self.chance(2):
            return references
        lead = self.choose(["y", "", "y-"])
        return {f"{lead}{position}": reference for position, reference in enumerate(references)}

    def close(self, taken: list[str], known: dict[str, Outputs], unread: list[str], at: str, place: Any) -> None:
        """Join what nothing has read yet, so that one result is left; names are `taken`."""

        def add(entry: Any, made: Outputs, *read: str) -> str:
            name = self.name(taken)
            taken.append(name)
            place(name, entry, made, read)
            return name

        def first(name: str) -> tuple[str, Shape]:
            part = next(iter(known[name]))
            return (f"{name}.{part}" if part else name), known[name][part]

        while len(unread) > 1 or None not in known[at]:
            here, x = first(at)
            others = [name for name in unread if name != at]
            if not others:
                at = add({"identity": None, "from": here}, {None: x}, here)
                continue
            there, y = first(others[0])
            if len(x) != len(y) or (len(x) > 4 and x != y):  # values of different ranks join as vectors
                if len(x) > 1:
                    here, x = add({"mean": None, "from": here}, {None: x[:1]}, here), x[:1]
                if len(y) > 1:
                    there, y = add({"mean": None, "from": there}, {None: y[:1]}, there), y[:1]
            elif x[1:] != y[1:]:
                pool = f"adaptive_avg_pool{len(x) - 1}d"
                made = add({pool: {"output_size": list(x[1:])}, "from": there}, {None: (y[0], *x[1:])}, there)
                there, y = made, (y[0], *x[1:])
            valid = [kind for kind in joins() if not list(kind().requirements((x, y)))]
            kind = self.choose(valid)
            at = add({kind.kind: [here, there]}, {None: kind().output((x, y))}, here, there)

    def joined(self, at: str, known: Mapping[str, Outputs]) -> tuple[Any, Outputs, list[str]] | None:
        """A join of the value at hand with earlier ones that fit; None where none does."""
        references = {f"{name}.{part}" if part else name: made[part] for name, made in known.items() for part in made}
        here = next(reference for reference in references if reference.partition(".")[0] == at)
        kind = self.kind(joins())()
        assert isinstance(kind, Join)
        x, least = references[here], kind.least - 1
        fitting = [other for other, y in references.items() if not list(kind.requirements((x, *[y] * least)))]
        if not fitting:
            return None
        operands = [here, *self.draw(st.lists(st.sampled_from(fitting), min_size=least, max_size=2))]
        if self.chance(2):
            operands.reverse()
        made = self.meaning()
        try:
            outputs = made.layer(kind, tuple(references[operand] for operand in operands))
        except Unsound:
            return None
        return {kind.kind: operands}, outputs, operands

    def branches(self, x: Shape, scope: Data, names: Mapping[str, Outputs], depth: int) -> Data:
        """Parallel entries and their join; those that differ from the first are fitted to it."""
        join = self.choose([kind for kind in joins() if kind.most is None])()
        parts: Data = {}
        shapes: list[Shape] = []

        def fits(y: Shape) -> bool:
            return not shapes or not list(join.requirements((*shapes, y)))

        for _ in range(self.draw(st.integers(2, 3))):
            goal = fits if shapes else None
            entry, made = self.entry(x, scope, names, depth + 1, goal=goal, optional=False, alone=True)
            entry = [entry] if _is_loop(entry) else entry
            y = made.get(None)
            if y is None or not fits(y):
                entry, y = self.fitted(entry, x, y, max(shapes, key=volume) if shapes else x)
            if shapes and self.chance(4):
                entry = self.conditional(entry, scope)
            parts[self.name([*parts, "join"])] = entry
            if is_present(entry, scope):
                shapes.append(y)
        body: Data = {"branches": parts, "join": join.kind}
        if self.chance(6):
            return {**body, "branches": list(parts.values())}
        return self.with_loop(body, x, scope, fits) if depth < 3 and self.chance(4) else body

    def with_loop(self, body: Data, x: Shape, scope: Data, fits: Any) -> Data:
        """Branches with a loop among them, whose turns are branches too; as they were where that is not valid."""
        head, inner = self.turns(scope)
        index = head.get("index") or next((name for name in _VARIABLES if name not in inner), None)
        if index is None:
            return body
        entry = {**_as_mapping(self.layer(x, {**inner, index: 0}, fits)), **head, "index": index}
        key = IndexedName(f"{self.name([*body['branches'], 'join'])}_", named(index))

        def longer(loop: Any) -> Data:
            return {**body, "branches": {**body["branches"], key: loop}}

        return longer(self.shortened(entry, x, scope, longer))

    def fitted(self, entry: Any, x: Shape, y: Shape | None, wanted: Shape) -> tuple[Any, Shape]:
        """A branch with layers behind it that give the wanted shape."""
        entries = [entry] if y is not None and len(y) >= len(wanted) else []
        y = y if entries and y is not None else x
        if len(wanted) == 1:
            entries += ["mean"] if len(y) > 1 else []
            entries += [{"linear": wanted[0]}]
        elif len(wanted) > 4:  # no pooling has so many axes
            entries += ["mean"] if len(y) > 1 else []
            entries += [{"linear": prod(wanted)}, {"unflatten": {"dim": 1, "unflattened_size": list(wanted)}}]
        else:
            rank = len(wanted) - 1
            entries += [{f"conv{rank}d": {"out_channels": wanted[0], "kernel_size": 1}}] if y[0] != wanted[0] else []
            pool = f"adaptive_avg_pool{rank}d"
            entries += [{pool: {"output_size": list(wanted[1:])}}] if y[1:] != wanted[1:] else []
        return entries or ["identity"], wanted

    # Entries

    def entry(
        self,
        x: Shape,
        scope: Data,
        names: Mapping[str, Outputs],
        depth: int,
        *,
        goal: Any = None,
        inplace: bool = False,
        optional: bool = True,
        alone: bool = False,
    ) -> tuple[Any, Outputs]:
        """An entry for an input with its results; `alone` in lists and branches, where it gives one result."""
        before, reads, scope = self.left, set(self.reads), self.at(x, scope)
        sorts = ["layer"] * 6 + (["block"] * 3 if depth < 4 else [])
        callees = [name for name, value in scope.items() if value in _CALLEES or value in self.blocks]
        sorts += ["chosen"] * 4 if callees else []
        if depth < 3 and before > 1:
            sorts += ["list", "mapping", "branches"] + (["loop"] if alone and goal is None else [])
            sorts += ["tokens", "learned"] if len(x) > 1 and self.only is None else []
        if "tokens" in sorts and self.favorite is not None and (self.favorite.features_last or self.favorite.bare):
            sorts = ["learned" if self.favorite.bare else "tokens"]
        sort = self.choose(sorts)
        if sort == "block":
            entry = self.call(x, scope, depth)
        elif sort == "chosen":
            name = self.choose(callees)
            arguments = {"batch_norm2d": {"eps": self.written(0.25, scope)}, "relu": {"inplace": False}}
            given = self.choose([None, {}, arguments.get(scope[name])])
            entry = self.choose([f"${name}", {f"${name}": given}])
        elif sort == "list":
            entry = self.chain(x, scope, depth + 1)
        elif sort == "mapping":
            entry = self.mapping(x, scope, {} if alone else names, depth + 1)
        elif sort == "branches":
            entry = self.branches(x, scope, {} if alone else names, depth + 1)
        elif sort == "loop":
            entry = self.loop(x, scope, depth)
        elif sort == "tokens":
            entry = self.tokens(x, scope)
        elif sort == "learned":
            entry = self.learned(x)
        else:
            entry = self.layer(x, scope, goal, inplace=inplace, alone=alone)
        if optional and self.chance(2 if sort == "loop" else 6):
            entry = self.conditional(entry, scope)
        made, count = self.read(entry, x, scope, names)
        if not made or count > max(before, 4):
            self.left, self.reads = before - 1, reads
            return self.fallback(x)
        self.left = before - count
        return entry, made

    def whole(self) -> Meaning:
        """A reading with room for the joins that close a body."""
        return self.meaning(most=400, largest=2**20)

    def meaning(self, most: int = 200, largest: int = 2**15) -> Meaning:
        return Meaning(self.blocks, self.network, most, largest, inside=self.inside)

    def at(self, x: Shape, scope: Data) -> Data:
        """The scope of what takes a value: outside of blocks `in_channels` are those that arrive."""
        return scope if self.inside else {**scope, "in_channels": x[0]}

    def read(self, entry: Any, x: Shape, scope: Data, names: Mapping[str, Outputs]) -> tuple[Outputs, int]:
        """The results of an entry and how many layers it unfolds to; no results where it is unsound."""
        meaning = self.meaning()
        try:
            if _is_loop(entry):
                made = meaning.body({"layers": [entry]}, x, scope, names)
            else:
                made = meaning.entry(entry, {None: x}, scope, {**names, "input": {None: x}})
        except Unsound:
            return {}, 0
        return made, len(meaning.layers)

    def fallback(self, x: Shape) -> tuple[Any, Outputs]:
        return "relu", {None: x}

    def layer(self, x: Shape, scope: Data, goal: Any = None, *, inplace: bool = False, alone: bool = True) -> Any:
        """A layer kind with its arguments, written in one of the ways that there are."""
        kinds = [kind for kind in kinds_for(x, parts=not alone) if self.only is None or kind.kind in self.only]
        kind = self.kind([*kinds, *(kind for kind in kinds if len(kind.model_fields) > 3)])
        integers = tuple(value for value in scope.values() if type(value) is int)
        overwriting = [kind for kind in kinds if "inplace" in kind.model_fields]
        if inplace and overwriting and self.chance(2):
            kind = self.choose(overwriting)
        wish = draw_arguments(self.draw, kind, x, integers)
        reaches = None if goal is None else lambda made: goal(made.output((x,)))
        arguments = None
        if goal is not None:
            arguments = repaired(kind, wish, x, reaches)
        elif self.chance(2):  # most layers of real networks keep the map's size
            arguments = repaired(kind, wish, x, lambda made: _size(made, x) == x[1:])
        arguments = arguments if arguments is not None else repaired(kind, wish, x)
        assert arguments is not None, (kind, x)
        arguments = self.taking(kind, arguments, x, scope, reaches)
        if "inplace" in kind.model_fields:
            arguments = {**arguments, "inplace": True} if inplace else arguments
            arguments = {name: value for name, value in arguments.items() if inplace or name != "inplace"}
        # An argument that decides the rank seldom follows from others: the source has to write such a block out.
        fixed = {"inplace", *(name for name in kind.structural if not self.chance(8))}
        written = {name: value if name in fixed else self.written(value, scope) for name, value in arguments.items()}
        if not written:
            return self.choose([kind.kind, {kind.kind: None}, {kind.kind: {}}])
        if list(written) == [kind.alone()] and self.chance(2):
            return {kind.kind: next(iter(written.values()))}
        return {kind.kind: written}

    def tokens(self, x: Shape, scope: Data) -> Any:
        """A layer whose features are last, between permutations; a map may become a sequence, or a row of windows."""
        entries: list[Any] = []
        windows = self.favorite is not None and self.favorite.kind == "relative_attention"
        if len(x) == 3 and self.chance(4) and not windows:
            entries, x = [{"flatten": {"start_dim": 2}}], (x[0], x[1] * x[2])
        elif len(x) == 3 and (self.chance(2) or windows):
            entries, x = [{"adaptive_avg_pool2d": {"output_size": [x[1], 4]}}], (*x[:2], 4)  # windows of 2×2 positions
        last = (*x[1:], x[0])
        fitting = [kind for kind in KINDS.values() if kind.features_last and repaired(kind, {}, last) is not None]
        kind = self.kind(fitting)
        arguments = repaired(kind, draw_arguments(self.draw, kind, last), last)
        assert arguments is not None
        scope = self.at(last, scope)
        written = {name: self.written(value, scope) for name, value in arguments.items()}
        axes = list(range(1, 1 + len(x)))
        entries += [{"permute": [0, *axes[1:], 1]}, {kind.kind: written}]
        return [*entries, {"permute": [0, axes[-1], *axes[:-1]]}] if self.chance(2) else entries

    def embedding(self, x: Shape, scope: Data) -> tuple[Data, Shape]:
        """A layer that reads integers, and the shape of its output."""
        kind = self.kind([kind for kind in KINDS.values() if reads_integers(kind)])
        arguments = repaired(kind, draw_arguments(self.draw, kind, x), x)
        assert arguments is not None
        written = {name: self.written(value, scope) for name, value in arguments.items()}
        return {kind.kind: written}, kind(**arguments).output((x,))

    def learned(self, x: Shape) -> Any:
        """A map times a tensor that is learned or kept, or times itself with its last axes swapped."""
        if self.chance(2) and not (self.favorite is not None and self.favorite.bare):
            axes = list(range(len(x) + 1))
            swapped = [*axes[:-2], axes[-1], axes[-2]]
            parts: Data = {"swapped": {"permute": swapped}, "product": {"matmul": ["input", "swapped"]}}
            return {"layers": parts}
        kind = self.kind([KINDS["parameter"], KINDS["buffer"]])
        tensor = draw_arguments(self.draw, kind, x)
        count = prod(tensor["shape"])
        if kind.kind == "buffer" and count <= 16 and self.chance(2):
            tensor = {"shape": tensor["shape"], "values": [self.choose([0, 1, -0.5]) for _ in range(count)]}
        join = self.choose(["add", "multiply", "subtract", "maximum"])
        return {"layers": {"tensor": {kind.kind: tensor}, "joined": {join: ["tensor", "input"]}}}

    def taking(self, kind: type[Kind], arguments: Data, x: Shape, scope: Data, goal: Any) -> Data:
        """The arguments with one that is a word or a list in scope, where the layer takes it."""
        for value in (value for value in scope.values() if isinstance(value, str | tuple)):
            for name in kind.model_fields:
                trial = {**arguments, name: value}
                if is_valid(kind, trial, x, goal) and self.chance(2):
                    return trial
        return arguments

    def written(self, value: Any, scope: Data) -> Any:
        """A value as it is, or as it follows from a name in scope."""
        if isinstance(value, str | tuple):
            ways = [named(name) for name, other in scope.items() if type(other) is type(value) and other == value]
            if ways and self.chance(2):
                return self.choose(ways)
        if isinstance(value, list | tuple):
            return [self.written(item, scope) for item in value]
        if not isinstance(value, int | float) or not scope or value == -1:  # -1 may mean: what is left
            return value
        ways = formulas_of(value, scope)
        return self.choose(ways) if ways and self.chance(2) else value

    def conditional(self, entry: Any, scope: Data) -> Any:
        ways = formulas_of(self.draw(st.booleans()), scope)
        if not ways or (isinstance(entry, dict) and {"when", "outputs"} & entry.keys()):
            return entry
        return {**_as_mapping(entry), "when": self.choose(ways)}

    def loop(self, x: Shape, scope: Data, depth: int) -> Any:
        """A loop among the entries of a list, with as many turns as are valid."""
        head, inner = self.turns(scope)
        if self.chance(2):
            entry = {**head, "layers": self.chain(x, inner, depth + 1)}
        else:
            entry = {**_as_mapping(self.layer(x, inner)), **head}
        return self.shortened(entry, x, scope, lambda loop: {"layers": [loop]})

    def named_loop(self, x: Shape, scope: Data, depth: int, name: str) -> tuple[str, Any, str | None, Outputs] | None:
        """A loop among named entries: its key, itself, and the name and results of its last entry."""
        scope = self.at(x, scope)
        head, inner = self.turns(scope)
        index_name = head.get("index") or next((name for name in _VARIABLES if name not in inner), None)
        if index_name is None:
            return None  # loops within loops have used every variable
        head = {**head, "index": index_name}
        inner = {**inner, index_name: 0}
        index = named(index_name)
        key: str
        entry: Any
        if self.chance(2):
            part = self.layer(x, inner)
            entry = {**_as_mapping(part), **head}
        elif self.chance(3):
            entry = {**head, "layers": self.chain(x, inner, depth + 1)}
        else:
            parts = {}
            y = x
            for position in range(self.draw(st.integers(1, 2))):
                part, made = self.entry(y, inner, {}, depth + 1, optional=False, alone=True)
                part = [part] if _is_loop(part) else part
                parts[IndexedName(f"{name}_{'ab'[position]}", index)] = part
                y = made.get(None, y)
            entry = {**head, "layers": parts}
        key = f"loop_{name}" if isinstance(entry.get("layers"), dict) else IndexedName(f"{name}_", index)
        entry = self.shortened(entry, x, scope, lambda loop: {"layers": {key: loop}})
        try:
            made = self.meaning().body({"layers": {key: entry}}, x, scope, {})
        except Unsound:
            return None
        scopes = list(turns(entry, scope))
        return key, entry, evaluated(_last(key, entry).formula, scopes[-1]) if scopes else None, made

    def turns(self, scope: Data) -> tuple[Data, Data]:
        """The keys of a loop, and the scope of its first turn."""
        free = [name for name in _VARIABLES if name not in scope]
        if len(free) < 2 or self.chance(2):
            count = self.choose([2, 3, 1, 0, 4, 9, 30])
            head: Data = {"repeat": self.written(count, scope)}
            if free and self.chance(3):
                head["index"] = free[0]
            return head, {**scope, **({free[0]: 0} if "index" in head else {})}
        known = [(name, value) for name, value in scope.items() if isinstance(value, tuple)]
        if known:
            name, value = self.choose(known)
            pairs = isinstance(value[0], tuple)
            variables = free[:2] if pairs else free[:1]
            return {"for": variables if pairs else free[0], "in": named(name)}, {
                **scope,
                **dict(zip(variables, value[0] if pairs else value, strict=False)),
            }
        if self.chance(4):
            words = self.draw(st.lists(st.sampled_from([*_CALLEES, *self.alone()]), min_size=1, max_size=3))
            return {"for": free[0], "in": words}, {**scope, free[0]: words[0]}
        rows = self.draw(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 3)), min_size=1, max_size=3))
        if self.chance(2):
            head = {"for": free[0], "in": [row[0] for row in rows]}
            return head, {**scope, free[0]: rows[0][0]}
        return {"for": free[:2], "in": [list(row) for row in rows]}, {**scope, free[0]: rows[0][0], free[1]: rows[0][1]}

    def shortened(self, entry: Any, x: Shape, scope: Data, within: Callable[[Any], Data]) -> Any:
        """A loop with fewer turns, where the next one would not be valid in the body that `within` puts it in."""
        count = len(list(turns(entry, scope)))
        for most in range(count, -1, -1):
            if most < count:
                fewer = {"repeat": most} if "repeat" in entry else {"in": list(evaluated(entry["in"], scope)[:most])}
                entry = {**entry, **fewer}
            try:
                meaning = self.meaning(most=max(self.left, 1))
                meaning.body(within(entry), x, scope, {})
            except Unsound:
                continue
            return entry
        return entry

    # Blocks

    def call(self, x: Shape, scope: Data, depth: int) -> Any:
        """A call of a block: of a new one, or of one that is there with other arguments."""
        if not self.blocks or (len(self.blocks) < 6 and self.chance(2)):
            return self.new_block(x, scope, depth)
        name = self.choose(self.blocks)
        block = self.known[name]
        given = {
            parameter: self.draw(like(value))
            for parameter, value in block.given.items()
            if self.blocks[name]["arguments"][parameter] is None or self.chance(2)
        }
        for trial in (given, block.given):
            made, _ = self.read({name: trial}, x, scope, {})
            if None in made:
                return self.called(name, trial, scope)
        return self.layer(x, scope)

    def called(self, name: str, given: Data, scope: Data) -> Any:
        """A block's call with its arguments by name or by position."""
        parameters = list(self.blocks[name].get("arguments") or {})
        written = {parameter: self.written(value, scope) for parameter, value in given.items()}
        if not written:
            return self.choose([name, {name: None}])
        if list(written) == parameters[: len(written)] and self.chance(2):
            values = list(written.values())
            return {name: values[0] if len(values) == 1 and not isinstance(values[0], list) else values}
        return {name: written}

    def several(self, x: Shape, others: Sequence[Shape], scope: Data, depth: int) -> tuple[Any, Outputs]:
        """A call of a block with several inputs, without their names, and its results."""
        scope, before = self.at(x, scope), self.left
        shapes = [x, *others]
        fitting = [name for name, block in self.blocks.items() if len(block.get("inputs", [0])) == len(shapes)]
        if fitting and self.chance(2):
            name = self.choose(fitting)
            given = dict(self.known[name].given)
            made, count = self.read_call(name, given, shapes, scope)
            if made and count <= max(before, 4):
                self.left = before - count
                return _as_mapping(self.called(name, given, scope)), made
        entry = _as_mapping(self.new_block(x, scope, depth, self.inputs(shapes)))
        name, given = next(iter(entry.items()))
        made, count = self.read_call(name, given, shapes, scope)
        assert made, entry
        self.left = before - count
        return entry, made

    def read_call(self, name: str, given: Any, shapes: Sequence[Shape], scope: Data) -> tuple[Outputs, int]:
        """The results of a block with several inputs and how many layers it has; no results where it is unsound."""
        meaning = self.meaning(most=400, largest=2**20)
        try:
            return meaning.call(name, given, tuple(shapes), scope), len(meaning.layers)
        except Unsound:
            return {}, 0

    def new_block(self, x: Shape, scope: Data, depth: int, inputs: Mapping[str, Shape] | None = None) -> Any:
        if inputs is None and self.chance(8):
            inputs = self.inputs([x])
        values = self.parameters() if self.chance(3) or self.draw(st.booleans()) else {}
        values = {name: value for name, value in values.items() if name not in self.network}
        inner: Data = {**self.network, "in_channels": x[0]}
        inner |= {f"{name}_channels": shape[0] for name, shape in list((inputs or {}).items())[1:]}
        parameters: Data = {}
        for parameter, value in values.items():
            optional = any(default is not None for default in parameters.values()) or self.chance(3)
            parameters[parameter] = self.written(value, inner) if optional else None
            inner[parameter] = value
        name = f"{self.choose(_BLOCKS)}{len(self.known)}"
        self.known[name] = _Block(parameters, values)
        around, self.inside = self.inside, True
        body, _ = self.body(x, inner, {}, depth + 1, inputs=inputs)
        self.inside = around
        declared = {"inputs": list(inputs)} if inputs else {}
        self.blocks[name] = {**declared, **({"arguments": parameters} if parameters else {}), **body}
        if self.chance(8):
            self.blocks[name] = {"description": self.draw(_SENTENCES), **self.blocks[name]}
        self.blocks[name].setdefault("arguments", parameters)
        needed = {key: value for key, value in values.items() if parameters[key] is None}
        return self.called(name, needed, scope)

    def name(self, taken: Collection[str]) -> str:
        """A name that is not yet taken."""
        name = self.choose(_LAYERS)
        while name in taken:
            name = f"{name.rstrip('_')}{len(taken)}"
        if isinstance(taken, set):
            taken.add(name)
        return str(name)


def _may_hold(kind: type[Kind], rank: int) -> bool:
    """Return True if a network whose input has so many axes after the channels can hold a kind at once."""
    if kind.features_last:
        windows = (*_LONGEST[rank][:-1], 4, 4)  # of 2×2 positions
        return rank > 0 and any(repaired(kind, {}, last) is not None for last in ((*_LONGEST[rank], 4), windows))
    if kind.many or kind.bare or reads_integers(kind):
        return True
    return kind in kinds_for((4, *_LONGEST[rank]))


def _last(key: Any, loop: Data) -> Any:
    """The name of the last entry of a loop's turn."""
    return list(loop["layers"])[-1] if isinstance(loop.get("layers"), dict) else key


def joins() -> list[type[Kind]]:
    """The kinds that take several inputs."""
    return [kind for kind in KINDS.values() if kind.many]


def _as_mapping(entry: Any) -> Data:
    """An entry as a mapping, to which further keys can be added."""
    if isinstance(entry, str):
        return {entry: None}
    return {"layers": entry} if isinstance(entry, list) else dict(entry)


def _is_loop(entry: Any) -> bool:
    return isinstance(entry, dict) and ("repeat" in entry or "for" in entry)


def _is_fresh(entry: Any, scope: Data) -> bool:
    """Return True if an entry is a layer whose result is new memory that its backward pass does not read."""
    entry = _as_mapping(entry)
    target, given = next(iter(entry.items()))
    kind = KINDS.get(target)
    if len(entry) != 1 or kind is None or kind.many or kind.keeps_storage:
        return False
    made = kind(**named_arguments(list(kind.model_fields), given, scope))
    return not (made.overwrites or made.needs_output)


def _size(kind: Kind, x: Shape) -> Any:
    y = kind.output((x,))
    return None if isinstance(y, dict) else y[1:]
