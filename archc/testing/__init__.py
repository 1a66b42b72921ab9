"""Property tests of architectures, layer kinds and passes: strategies of specs, and checks against PyTorch.

`specs` draws valid specs of the whole language, `wrong_specs` specs with one known fault, `layers` the layers of one
kind for an input's shape; `assert_agreement` and `assert_layer` hold archc, its modules and its source against
PyTorch. Needs Hypothesis: `pip install 'archc-nn[testing]'`.
"""

from archc.extras import needed_by

with needed_by("archc.testing"):
    import hypothesis as _hypothesis

from archc.testing.agreement import assert_agreement, assert_layer
from archc.testing.arguments import layers, valid_arguments
from archc.testing.contract import Tally, assert_contract
from archc.testing.coverage import FEATURES, Coverage
from archc.testing.draft import Draft, Folder, folders
from archc.testing.faults import WrongSpec, wrong_specs
from archc.testing.specs import settings_of, specs
from archc.testing.text import dump

del _hypothesis

__all__ = [
    "FEATURES",
    "Coverage",
    "Draft",
    "Folder",
    "Tally",
    "WrongSpec",
    "assert_agreement",
    "assert_contract",
    "assert_layer",
    "dump",
    "folders",
    "layers",
    "settings_of",
    "specs",
    "valid_arguments",
    "wrong_specs",
]
