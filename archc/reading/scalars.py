"""Plain scalars of the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/, section 10.3.2)."""

import re

Scalar = None | bool | int | float | str

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_RADIX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")


def plain_scalar(text: str) -> Scalar:
    """The value of an unquoted scalar: `no` is a string, `1e-3` a number, `0755` is 755.

    Raises ValueError for an integer with more digits than Python converts.
    """
    if not text or text[0] not in "0123456789-+.nNtTfF~":
        return text or None
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _RADIX.fullmatch(text):
        number = int(text[2:], 8 if text[1] == "o" else 16)
        str(number)  # it may have too many decimal digits for a message
        return number
    if _FLOAT.fullmatch(text):
        return float(text)
    special = _SPECIAL.fullmatch(text)
    if special:
        return float("nan") if special[3] else float(f"{special[1]}inf")
    return text
