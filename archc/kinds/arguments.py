"""What the arguments of a layer kind mean: the docstrings under its fields, for editors and the reference pages."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from itertools import pairwise
from textwrap import dedent

from archc.kinds.base import Kind


@cache
def meanings(kind: type[Kind]) -> dict[str, str]:
    """The meaning of each argument, in the order of the arguments; read from the source of the class and its bases.

    It is empty for an argument without a docstring, and where there is no source: a class typed into a console.
    """
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__[: kind.__mro__.index(Kind)]):
        try:
            (tree,) = ast.parse(dedent(inspect.getsource(one))).body
        except (OSError, TypeError):
            continue
        assert isinstance(tree, ast.ClassDef)
        for field, text in pairwise(tree.body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(meaning))):
                    found[name] = " ".join(meaning.split())
    return {name: found.get(name, "") for name in kind.model_fields}
