"""The layers of a network as a pandas table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archc.extras import needed_by
from archc.presentation.summary import Summary

if TYPE_CHECKING:
    from pandas import DataFrame


def data_frame(summary: Summary) -> DataFrame:
    """One row per layer, with its path and the columns of `archc summary --format csv`.

    Raises ImportError without pandas.
    """
    with needed_by("to_pandas"):
        import pandas
    rows = [
        {
            "kind": row.kind,
            "input": row.input,
            "output": row.output,
            "parameters": row.parameters,
            "macs": row.macs,
            "receptive_field": max(row.receptive_field, default=1),
            "line": row.line,
            "training": row.training,
        }
        for row in summary.layers
    ]
    return pandas.DataFrame(rows, index=pandas.Index([row.path for row in summary.layers], name="path"))
