"""Property tests of architectures, layer kinds and passes: strategies of specs, and checks against PyTorch.

`specs` draws sound specs of the whole language, `wrong_specs` specs with one known fault, `layers` the layers of one
kind for an input's shape; `assert_agreement` and `assert_layer` hold archc, its modules and its source against
PyTorch. Needs Hypothesis: `pip install 'archc[testing]'`.
"""

try:
    import hypothesis as _hypothesis
except ImportError as error:
    raise ImportError("archc.testing needs Hypothesis: pip install 'archc[testing]'") from error

from archc.testing.agreement import assert_agreement, assert_agreement_with, assert_layer
from archc.testing.arguments import LIKELY, layers, sound_arguments
from archc.testing.coverage import FEATURES, Coverage
from archc.testing.draft import Draft, Folder, folders
from archc.testing.faults import WrongSpec, wrong_specs
from archc.testing.specs import settings_of, specs
from archc.testing.text import dump

del _hypothesis

__all__ = [
    "FEATURES",
    "LIKELY",
    "Coverage",
    "Draft",
    "Folder",
    "WrongSpec",
    "assert_agreement",
    "assert_agreement_with",
    "assert_layer",
    "dump",
    "folders",
    "layers",
    "settings_of",
    "sound_arguments",
    "specs",
    "wrong_specs",
]
