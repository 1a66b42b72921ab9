"""Phase 4: what follows from the graph: costs, receptive fields, other input sizes."""

from archc.inference.cost import Cost, graph_cost
from archc.inference.expect import expectation_problems
from archc.inference.memory import Memory, network_memory
from archc.inference.outline import Depth, Line, kind_name, outline
from archc.inference.scan import Scan, Scanned
from archc.inference.sizes import Sizes, Stop
from archc.inference.summary import Row, Summary, network_outputs, summarize

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
    "Summary",
    "expectation_problems",
    "graph_cost",
    "kind_name",
    "network_memory",
    "network_outputs",
    "outline",
    "summarize",
]
