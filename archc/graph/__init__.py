"""Phase 3: the spec to a checked architecture graph."""

from archc.graph.elaborate import Instances, elaborate
from archc.graph.graph import INPUT, Graph, Instance, Network, Node, Placed, Ref, flow, walk

__all__ = ["INPUT", "Graph", "Instance", "Instances", "Network", "Node", "Placed", "Ref", "elaborate", "flow", "walk"]
