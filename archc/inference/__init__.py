"""Phase 4, derived from the graph: costs, receptive fields, other input sizes."""

from archc.inference.cost import Cost, graph_cost
from archc.inference.expect import expectation_problems
from archc.inference.memory import Memory, network_memory
from archc.inference.outline import Depth, Line, kind_name, outline
from archc.inference.rows import Row, layer_rows, network_outputs
from archc.inference.scan import Scan, Scanned
from archc.inference.sizes import Sizes, Stop

__all__ = [
    "Cost",
    "Depth",
    "Line",
    "Memory",
    "Row",
    "Scan",
    "Scanned",
    "Sizes",
    "Stop",
    "expectation_problems",
    "graph_cost",
    "kind_name",
    "layer_rows",
    "network_memory",
    "network_outputs",
    "outline",
]
