"""Values that remember their expression, and the language of `$name` and `$(…)`."""

from archc.expressions.expression import (
    Expression,
    ExpressionError,
    evaluate_text,
    has_expression,
    hidden_names,
    is_expression,
    parse_expression,
)
from archc.expressions.symbol import Level, Symbol, Value, also_of, names_of, plain, product_of, text_of

__all__ = [
    "Expression",
    "ExpressionError",
    "Level",
    "Symbol",
    "Value",
    "also_of",
    "evaluate_text",
    "has_expression",
    "hidden_names",
    "is_expression",
    "names_of",
    "parse_expression",
    "plain",
    "product_of",
    "text_of",
]
