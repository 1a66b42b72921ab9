"""What an emitted file may hold: nothing but what architectures need."""

from __future__ import annotations

import ast

ALLOWED = (
    ast.Module, ast.Expr, ast.Constant, ast.Import, ast.ImportFrom, ast.alias, ast.ClassDef, ast.FunctionDef,
    ast.arguments, ast.arg, ast.Assign, ast.AnnAssign, ast.Attribute, ast.Name, ast.Load, ast.Store, ast.Call,
    ast.keyword, ast.Return, ast.Tuple, ast.List, ast.Dict, ast.Subscript, ast.BinOp, ast.operator, ast.UnaryOp,
    ast.unaryop, ast.BoolOp, ast.boolop, ast.Compare, ast.cmpop, ast.If, ast.IfExp, ast.For, ast.Starred,
    ast.GeneratorExp, ast.comprehension, ast.Slice, ast.ListComp, ast.Raise,
)  # fmt: skip
"""Nodes of the emitted syntax tree."""
FUNCTIONS = {
    "super", "OrderedDict", "range", "max", "min", "abs", "int", "round", "len", "float", "isinstance",
    "sum",
}  # fmt: skip
"""What is called by its bare name, beside the file's own classes."""


def assert_harmless(source: str) -> None:
    """Only the nodes that architectures need; only torch is imported; only known functions and methods are called."""
    tree = ast.parse(source)
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    local = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    local |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        assert isinstance(node, ALLOWED), ast.dump(node)
        if isinstance(node, ast.Import):
            assert [name.name for name in node.names] == ["torch"]
        if isinstance(node, ast.ImportFrom):
            assert node.module in ("torch", "collections")
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("__") or node.attr == "__init__"
        if isinstance(node, ast.Call):
            called = node.func
            while isinstance(called, ast.Attribute | ast.Call):
                called = called.value if isinstance(called, ast.Attribute) else called.func
            assert isinstance(called, ast.Name), ast.dump(node)
            if called is node.func:
                assert called.id in FUNCTIONS | classes, ast.dump(node)
            else:
                assert called.id in {"nn", "torch", "super"} | local, ast.dump(node)
