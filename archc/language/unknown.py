"""Unknown names of layers: the name that was meant, or that archc has no layer type for a layer of PyTorch."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from archc.problems import Fix, Mark, Problems

_LACKING = {
    # modules of torch.nn
    "bilinear", "celu", "cosinesimilarity", "embeddingbag", "fold", "glu", "grucell",
    "hardshrink", "hardtanh", "logsigmoid", "logsoftmax", "lstmcell", "maxunpool1d", "maxunpool2d",
    "maxunpool3d", "pixelunshuffle", "rmsnorm", "rnn", "rnncell", "rrelu", "softmax2d", "softmin", "softplus",
    "softshrink", "softsign", "syncbatchnorm", "tanhshrink", "threshold", "transformer", "transformerdecoder",
    "transformerdecoderlayer", "transformerencoder", "transformerencoderlayer", "unfold",
    # functions
    "abs", "argmax", "bucketize", "clamp", "cos", "cumsum", "divide", "einsum", "exp", "gather", "gridsample",
    "gumbelsoftmax", "indexselect", "log", "maskedfill", "minimum", "onehot", "pow", "rfft", "rsqrt", "sin", "sqrt",
    "stack", "std", "stft", "topk", "tril", "var", "where",
}  # fmt: skip
"""Names of PyTorch without a layer type, in lower case without underscores."""


def unknown_layer(name: str, known: Collection[str], mark: Mark, problems: Problems) -> tuple[str, str, Fix | None]:
    """The message, the help and the fix for a name that is no layer or block."""
    help, fix = problems.suggest(name, known, mark)
    if _is_lacking(name, known):
        return f"archc has no layer type for PyTorch's `{name}`", "`archc list --kinds` shows those that it has", None
    return f"unknown layer or block `{name}`", help or "`archc list --kinds` shows the layers", fix


def _is_lacking(word: str, known: Iterable[str]) -> bool:
    """Return True for a name of PyTorch, such as `nn.EmbeddingBag`, that is written like none of the known names."""
    folded = _folded(word)
    return folded in _LACKING and all(_folded(name) != folded for name in known)


def _folded(word: str) -> str:
    return word.rpartition(".")[2].lower().replace("_", "")
