"""Which names may become attributes, parameters and classes of the emitted source."""

import keyword
import re
from typing import Final

from archc.kinds import KINDS

FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.ya?ml")
"""A spec file of a folder, as another of the same folder names it."""

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
"""What nn.Module and nn.Sequential already have; a layer of that name would hide it."""

_IN_SOURCE = frozenset({"F", "OrderedDict", "Tensor", "archc", "init", "nn", "torch"})
_BUILTINS = frozenset(
    "abs bool dict float int isinstance len list max min object print range round set str super tuple type".split()
)
HELPERS: Final = frozenset(
    kind.torch.removeprefix("archc.") for kind in KINDS.values() if kind.torch.startswith("archc.")
)
"""The modules of archc's own that an emitted file can hold."""

RESERVED_PARAMETERS: Final = _IN_SOURCE | _BUILTINS | HELPERS | {"in_channels", "input", "module", "name", "self", "x"}
RESERVED_CLASSES: Final = _IN_SOURCE | _BUILTINS | HELPERS | {"self", "x"}


def layer_name_fault(name: str) -> str:
    """Why a layer cannot have this name; empty if it can."""
    if name == "input":
        return "`input` means the body's own input"
    if name in MODULE_ATTRIBUTES:
        return f"`{name}` is an attribute that every nn.Module has"
    return _identifier_fault(name)


def parameter_name_fault(name: str) -> str:
    """Why a parameter cannot have this name; empty if it can."""
    if name == "in_channels":
        return "`in_channels` is given by archc: the channels of the block's input"
    if name in RESERVED_PARAMETERS:
        return f"`{name}` has a meaning of its own in the emitted source"
    return _identifier_fault(name)


def variable_name_fault(name: str) -> str:
    """Why a loop variable cannot have this name; empty if it can. It never reaches the source."""
    return "it is given by archc" if name in ("in_channels", "input") else _identifier_fault(name)


def class_name_fault(name: str) -> str:
    """Why a block or network cannot have this name; empty if it can."""
    if name in RESERVED_CLASSES:
        return f"`{name}` has a meaning of its own in the emitted source"
    return _identifier_fault(name)


def _identifier_fault(name: str) -> str:
    if keyword.iskeyword(name):
        return f"`{name}` is a Python keyword"
    if not _IDENTIFIER.fullmatch(name):
        return "a name is a letter followed by letters, digits and `_`"
    if len(name) > 100:
        return "a name has at most 100 characters"
    return ""
