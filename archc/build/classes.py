"""Classes of Python files and modules, named as users name them: `file.py`, `file.py:Class`, `module:Class`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from torch import nn

from archc.files import read_bytes
from archc.problems import Problem, SpecError, did_you_mean

FROM_FILE: Final = "archc_model_"
"""What the names of modules start with that are files."""


class Found(NamedTuple):
    """A class (or function) that creates a network.

    It has a name for messages, and the text of its file if it is from one.
    """

    name: str
    make: Callable[..., Any]
    shown: str
    text: str | None


def find_class(named: str) -> Found | None:
    """Import the class named by `file.py`, `file.py:Class` or `module:Class`; None for anything else.

    This runs the file or module. Raises SpecError (E0704) if there is no such class.
    """
    file, colon, name = named.rpartition(":") if ":" in named else (named, "", "")
    if file.endswith(".py"):
        return _of_file(Path(file), name)
    if colon and not Path(named).exists():
        return _of_module(_imported(file), name, named, None)
    return None


def construct(found: Found, arguments: Mapping[str, Any]) -> nn.Module:
    """Create the network of a class. Raises SpecError (E0704) if it can't take the arguments.

    Arguments for pretrained weights are None unless they are given, so nothing is downloaded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = found.make(**plain_arguments(found, arguments))
    except Exception as error:  # the class is the user's code
        what = f"`{found.name}` cannot be created: {type(error).__name__}: {error}"
        raise class_fault(found.shown, what, "give arguments with --set") from None
    if not isinstance(model, nn.Module):
        raise class_fault(found.shown, f"`{found.name}` is not an nn.Module but {type(model).__name__}")
    return model


def plain_arguments(found: Found, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a constructor: those given, and None for pretrained weights."""
    try:
        known = set(inspect.signature(found.make).parameters)
    except (TypeError, ValueError):
        known = set()
    return {**{name: None for name in ("weights", "weights_backbone") if name in known}, **arguments}


def class_fault(file: str, what: str, help: str = "") -> SpecError:
    """The error for a file or module that should contain a network."""
    return SpecError([Problem("E0704", what, file=file, help=help)])


def _of_file(path: Path, name: str) -> Found:
    try:
        text = read_bytes(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"
        raise class_fault(str(path), f"`{path}` cannot be read: {reason.lower()}") from None
    title = f"{FROM_FILE}{path.stem}"
    spec = importlib.util.spec_from_file_location(title, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[title] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the file is the user's code, so it can raise anything
        raise class_fault(str(path), f"`{path}` cannot be imported: {type(error).__name__}: {error}") from None
    return _of_module(module, name or _only_class(module, path), str(path), text)


def _of_module(module: Any, name: str, shown: str, text: str | None) -> Found:
    made = getattr(module, name, None)
    if not callable(made):
        known = [
            other for other, value in vars(module).items() if inspect.isclass(value) and issubclass(value, nn.Module)
        ]
        raise class_fault(shown, f"`{module.__name__}` has no class `{name}`", did_you_mean(name, known))
    return Found(name, made, shown, text)


def _imported(name: str) -> Any:
    sys.path.insert(0, "")  # like `python -m`, find modules of the working directory
    try:
        return importlib.import_module(name)
    except Exception as error:
        what = f"the module `{name}` cannot be imported: {type(error).__name__}: {error}"
        raise class_fault(name, what, "write a spec, file.py:Class or module:Class") from None
    finally:
        sys.path.remove("")


def _only_class(module: Any, path: Path) -> str:
    """The network among the classes of a file: the one that no other class uses and that needs no argument."""
    own = {
        name: made
        for name, made in vars(module).items()
        if inspect.isclass(made) and issubclass(made, nn.Module) and made.__module__ == module.__name__
    }
    whole = [name for name, made in own.items() if not _required(made)]
    networks = [
        name for name in whole if not any(name in _names(made) for made in own.values() if made is not own[name])
    ]
    if len(networks) == 1:
        return str(networks[0])
    shown = ", ".join(f"`{name}`" for name in networks or own)
    what = f"`{path}` has {len(networks)} classes that can be a whole network" + (f": {shown}" if shown else "")
    raise class_fault(str(path), what, f"name one: {path}:{next(iter(networks or own), 'Class')}")


def _names(made: type[nn.Module]) -> set[str]:
    """The global names that a class's methods use."""
    codes = [function.__code__ for function in vars(made).values() if inspect.isfunction(function)]
    return {name for code in codes for name in code.co_names}


def _required(made: Callable[..., Any]) -> list[str]:
    return [
        name
        for name, parameter in inspect.signature(made).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
