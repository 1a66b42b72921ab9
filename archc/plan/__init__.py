"""From the spec to the plan of its source: parametric classes, with wiring and channels as expressions."""

from archc.plan.compile import plan_network
from archc.plan.plan import ClassPlan

__all__ = ["ClassPlan", "plan_network"]
