"""Valid names of attributes, arguments and classes of the emitted source."""

import keyword
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from archc.kinds import KINDS, Kind

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

MODULE_ATTRIBUTES: Final = frozenset(
    """
    T_destination add_module append apply bfloat16 buffers call_super_init children compile cpu cuda double
    dump_patches eval extend extra_repr float forward get_buffer get_extra_state get_parameter get_submodule half
    insert ipu load_state_dict modules mtia named_buffers named_children named_modules named_parameters parameters
    pop register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to to_empty
    train training type xpu zero_grad
    """.split()
)
"""The attributes of nn.Module and nn.Sequential, which a layer of that name would hide."""

_IN_SOURCE = frozenset(
    {"Callable", "F", "Literal", "OrderedDict", "Tensor", "archc", "fnmatchcase", "init", "nn", "torch"}
)
_BUILTINS = frozenset(
    """
    abs bool dict enumerate float getattr int isinstance len list max min object print range round set str sum super
    tuple type
    """.split()
)
_PARAMETERS = frozenset(
    {"in_channels", "in_depth", "in_height", "in_length", "in_width", "input", "module", "name", "self", "x"}
)
_CLASSES = frozenset({"self", "x"})


def helpers() -> frozenset[str]:
    """The modules of archc that an emitted file can contain: those of the registered kinds."""
    return _helpers(tuple(KINDS.values()))


@lru_cache(4)
def _helpers(kinds: tuple[type[Kind], ...]) -> frozenset[str]:
    return frozenset(kind.torch.removeprefix("archc.") for kind in kinds if kind.torch.startswith("archc."))


def reserved_parameters() -> frozenset[str]:
    """Names that no argument can have."""
    return _IN_SOURCE | _BUILTINS | helpers() | _PARAMETERS


def reserved_inputs() -> frozenset[str]:
    """The names that no input can have."""
    return _IN_SOURCE | _BUILTINS | helpers() | {"input", "self"}


def reserved_classes() -> frozenset[str]:
    """The names that no block or network can have; the name of a module of archc gives way to them."""
    return _IN_SOURCE | _BUILTINS | _CLASSES


@lru_cache(maxsize=16_384)
def layer_name_fault(name: str) -> str:
    """The reason why a layer can't have this name; empty if it can. A number is valid, for an entry of a list."""
    if name.isdigit() and name.isascii() and len(name) <= 100:
        return ""
    if name == "input":
        return "`input` always means the input of the enclosing `layers`"
    if name in MODULE_ATTRIBUTES:
        return f"`{name}` is an attribute that every nn.Module has"
    return _identifier_fault(name.replace("-", "_"))


def input_name_fault(name: str) -> str:
    """The reason why an input can't have this name; empty if it can. It is an argument of `forward`."""
    if name == "input":
        return "`input` always means the first input of the enclosing `layers`"
    if name in reserved_inputs():
        return f"`{name}` has a special meaning in the emitted source"
    return _identifier_fault(name)


def output_name_fault(name: str) -> str:
    """The reason why an output can't have this name; empty if it can. It is a key of a dict, so a number is valid."""
    return "" if re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name) else "a name has letters, digits, `_` and `-`"


NameFault = Callable[[str], str]
"""A function that returns the reason why something can't have a name; empty if it can."""

NAMED: Final[dict[NameFault, str]] = {layer_name_fault: "a layer", output_name_fault: "an output"}
"""The owner of a name in messages, by the function that checks the name."""


def parameter_name_fault(name: str) -> str:
    """The reason why an argument can't have this name; empty if it can."""
    if name == "in_channels":
        return "archc sets it to the number of channels of the block's input, so omit it"
    if name in reserved_parameters():
        return f"`{name}` has a special meaning in the emitted source"
    return _identifier_fault(name)


def variable_name_fault(name: str) -> str:
    """The reason why a loop variable can't have this name; empty if it can. It isn't part of the source."""
    return "archc sets it" if name in ("in_channels", "input") else _identifier_fault(name)


def class_name_fault(name: str) -> str:
    """The reason why a block or network can't have this name; empty if it can."""
    if name in reserved_classes():
        return f"`{name}` has a special meaning in the emitted source"
    return _identifier_fault(name)


def as_class_name(text: str) -> str:
    """Convert any text to a valid name of a network: `Network` if nothing else is left."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", text).lstrip("_0123456789")[:90] or "Network"
    return f"{name}Network" if class_name_fault(name) else name


def class_name_of(text: str) -> str:
    """The class name for a text: `MyNet` for `my-net`; empty if there is none."""
    name = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9_]+", text))
    return "" if class_name_fault(name) else name


def _identifier_fault(name: str) -> str:
    if keyword.iskeyword(name):
        return f"`{name}` is a Python keyword"
    if not _IDENTIFIER.fullmatch(name):
        return "a name is a letter followed by letters, digits and `_`"
    if len(name) > 100:
        return "a name has at most 100 characters"
    return ""
