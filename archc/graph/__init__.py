"""Phase 3: from the spec to a checked architecture graph."""

from archc.graph.evaluate import Evaluator, evaluate
from archc.graph.graph import INPUT, Graph, Instance, Network, Node, Placed, Ref, flow, walk
from archc.graph.integers import bounds_of, integer_bounds
from archc.graph.warnings import warnings

__all__ = [
    "INPUT",
    "Evaluator",
    "Graph",
    "Instance",
    "Network",
    "Node",
    "Placed",
    "Ref",
    "bounds_of",
    "evaluate",
    "flow",
    "integer_bounds",
    "walk",
    "warnings",
]
