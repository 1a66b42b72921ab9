"""What an emitted file may hold: nothing but what architectures need."""

from __future__ import annotations

import ast

ALLOWED = (
    ast.Module, ast.Expr, ast.Constant, ast.Import, ast.ImportFrom, ast.alias, ast.ClassDef, ast.FunctionDef,
    ast.arguments, ast.arg, ast.Assign, ast.AnnAssign, ast.Attribute, ast.Name, ast.Load, ast.Store, ast.Call,
    ast.keyword, ast.Return, ast.Tuple, ast.List, ast.Dict, ast.Subscript, ast.BinOp, ast.operator, ast.UnaryOp,
    ast.unaryop, ast.BoolOp, ast.boolop, ast.Compare, ast.cmpop, ast.If, ast.IfExp, ast.For, ast.Starred,
    ast.GeneratorExp, ast.comprehension, ast.Slice, ast.ListComp, ast.Raise, ast.AugAssign, ast.JoinedStr,
    ast.FormattedValue,
)  # fmt: skip
"""Nodes of the emitted syntax tree."""
FUNCTIONS = {
    "super", "OrderedDict", "range", "max", "min", "abs", "int", "round", "len", "float", "isinstance",
    "sum", "enumerate", "list", "tuple", "ValueError", "fnmatchcase",
}  # fmt: skip
"""What is called by its bare name, beside the file's own classes."""


def assert_harmless(source: str) -> None:
    """Only the nodes that architectures need; only torch is imported; only known functions and methods are called."""
    tree = ast.parse(source)
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    local = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    local |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    loops = [node.target for node in ast.walk(tree) if isinstance(node, ast.For | ast.comprehension)]
    looped = {node.id for target in loops for node in ast.walk(target) if isinstance(node, ast.Name)}
    arguments = [(node.arg, node.annotation) for node in ast.walk(tree) if isinstance(node, ast.arg)]
    looped |= {name for name, form in arguments if form and "Callable[..., nn.Module]" in ast.unparse(form)}
    for node in ast.walk(tree):
        assert isinstance(node, ALLOWED), ast.dump(node)
        if isinstance(node, ast.Import):
            assert [name.name for name in node.names] == ["torch"]
        if isinstance(node, ast.ImportFrom):
            assert node.module in ("torch", "collections", "collections.abc", "fnmatch", "typing")
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("__") or node.attr == "__init__"
        if isinstance(node, ast.Call) and not is_child(node):
            called = node.func
            while isinstance(called, ast.Attribute | ast.Subscript | ast.Call) and not is_child(called):
                called = called.func if isinstance(called, ast.Call) else called.value
            if is_child(called) or isinstance(called, ast.BinOp):
                continue
            assert isinstance(called, ast.Name), ast.dump(node)
            if called is node.func:
                assert called.id in FUNCTIONS | classes | looped, ast.dump(node)
            else:
                assert called.id in {"nn", "torch", "super"} | local, ast.dump(node)


def is_child(node: ast.expr) -> bool:
    """Whether an expression is a module by a name that is no identifier: `getattr(self, "a-1")` or `f"conv{i}"`."""
    match node:
        case ast.Call(
            func=ast.Name(id="getattr"),
            args=[
                ast.Name(id="self"),
                ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]) | ast.Constant(value=str(start)),
            ],
            keywords=[],
        ):
            return not start.startswith("_")
    return False
