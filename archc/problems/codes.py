"""Every problem code with its rule. Codes are stable: a code never changes its meaning."""

from typing import Final

RULES: Final[dict[str, str]] = {
    # Reading a file
    "E0101": "A spec is a file that can be read.",
    "E0102": "A spec is UTF-8 text.",
    "E0103": "A spec is not empty: it is a mapping with at least `input` and `layers` (or `branches`).",
    "E0104": "A spec is well-formed YAML 1.2.",
    "E0105": "A key stands only once in a mapping.",
    "E0106": "Anchors, aliases, merge keys, tags and several documents are not used: blocks and parameters"
    " do their work.",
    "E0107": "A spec is not nested deeper than archc's bound.",
    "E0108": "A spec is not larger than archc's bound.",
    # The language
    "E0201": "Only keys that the language knows may stand in a spec.",
    "E0202": "A required key is missing.",
    "E0203": "A value has the type and the range that its key asks for.",
    "E0204": "A layer is of a known kind or a block of the spec.",
    "E0205": "A layer or block takes only its own arguments.",
    "E0206": "A required argument is missing.",
    "E0207": "A block takes no more arguments than it has parameters.",
    "E0208": "A name that becomes an attribute or a class is an ASCII identifier, no Python keyword, and nothing"
    " that nn.Module already has.",
    "E0209": "Two entries of one body have different names.",
    "E0210": "A reference names `input` or an entry that stands before it.",
    "E0211": "An expression is bounded arithmetic over parameters: numbers, names, + - * / // % **, comparisons,"
    " and/or/not, `a if c else b`, min, max, abs, round, int, len.",
    "E0212": "A name in an expression is a parameter, a loop variable or `in_channels`.",
    "E0213": "An expression has a value: of the right type, no division by zero, within bounds.",
    "E0214": "A block does not contain itself.",
    "E0215": "`extends` and `import` name files of the spec's own folder, without a circle.",
    "E0216": "Only parameters that the spec declares can be set.",
    "E0217": "An entry is a layer's name, a mapping with one layer, a list, or a nested body.",
    "E0218": "A list is an nn.Sequential: each entry takes one tensor from the entry before and gives one.",
    "E0219": "Auxiliary heads and named outputs belong to the network's own layers and change nothing else.",
    "E0220": "A network does not unfold to more entries than archc's bound.",
    "E0221": "A layer with several outputs is used by naming one of them.",
    "E0222": "`init` names layers and weights that the network has.",
    "E0223": "What an entry computes is used: by an entry after it, a join, or an output.",
    # Shapes
    "E0301": "A layer receives the rank it works on: a map (channels, height, width) or a vector.",
    "E0302": "A window is not larger than its padded input.",
    "E0303": "`padding: same` needs d(k - 1) even: p = d(k - 1)/2 is no integer for an even kernel.",
    "E0304": "`padding: same` means out = in, so the stride is 1.",
    "E0305": "A pooling window's padding is at most half of its kernel.",
    "E0306": "Groups divide the channels.",
    "E0307": "Padding that mirrors or wraps is smaller than the map it mirrors.",
    "E0308": "A layer's output has at least one element in every dimension.",
    "E0309": "output_padding is smaller than the stride or the dilation.",
    "E0310": "A join has two inputs or more, all maps or all vectors.",
    "E0311": "`add` and `multiply` join equal channels.",
    "E0312": "Joined branches have the same height and width.",
    "E0313": "Sections of a split add up to the channels.",
    "E0314": "A normalised shape is the end of the input's shape.",
    "E0315": "A shape stays below 2**63 elements.",
    "E0316": "A normalisation takes the statistics of one image from more than one value.",
    "E0320": "A layer that works in place overwrites nothing that another layer reads, nor what the backward pass of"
    " the layer before reads (that of a sigmoid or a ReLU reads its output).",
    # What a spec claims
    "E0401": "`expect` holds: what a spec claims of itself is true.",
    "E0402": "The network, built for one input size, runs at the given one.",
    # Building
    "E0501": "A weights file can be read as a state dict.",
    "E0502": "A weights file has the network's own keys and shapes.",
    "E0503": "The real shapes are the inferred ones (a difference is a bug of archc: please report it).",
    "E0504": "The machine can hold the network that is built.",
    # Writing
    "E0601": "An output file can be written.",
    "E0602": "A generated file is what its spec says (run `archc emit`).",
    "E0603": "Names in the emitted source do not clash.",
    # Training
    "E0701": "Every field of a recipe changes something.",
    "E0702": "The data set of a training is known, complete and readable.",
    "E0703": "Network and data agree on channels, image size and the number of classes.",
    "E0704": "What is trained is a spec, a class of a Python file or module, or an nn.Module.",
    "E0705": "A run has its own folder, and one process (or one group of processes) works in it.",
    "E0706": "A run to be resumed has a sound checkpoint, and what was asked for is what it was begun with.",
    "E0707": "The loss of a training is a finite number.",
    "E0708": "The device can hold a step of the training.",
    "E0709": "The device that is asked for is there.",
}
