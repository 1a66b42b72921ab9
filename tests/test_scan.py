"""Many input sizes at once: as one at a time, and packed for the explorer without loss."""

from __future__ import annotations

from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archc
from archc import Architecture
from archc.explorer.series import SeriesTable, run_lengths
from archc.explorer.sizes import LEAST_RANGE, offered_sizes
from archc.inference import Scan, Sizes, Stop
from archc.library import families
from archc.testing import Draft, specs


def assert_as_one_at_a_time(architecture: Architecture, sizes: list[tuple[int, int]]) -> None:
    network = architecture.network
    scan, single = Scan(network, sizes), Sizes(network)
    for position, (height, width) in enumerate(sizes):
        outputs = single.outputs(height, width)
        stop = scan.stops[position]
        if isinstance(outputs, Stop):
            assert stop is not None
            assert (stop.path, stop.fault) == (outputs.path, outputs.fault)
        else:
            assert stop is None
            assert {name: series[position] for name, series in scan.outputs.items()} == outputs


@given(specs(), st.lists(st.tuples(st.integers(1, 80), st.integers(1, 80)), min_size=1, max_size=20))
def test_sizes_of_a_drawn_network(draft: Draft, sizes: list[tuple[int, int]]) -> None:
    architecture = draft.load()
    assert_as_one_at_a_time(architecture, [*sizes, architecture.input[1:]])


@pytest.mark.parametrize("spec", families())
def test_a_bundled_network_at_its_declared_size(spec: str) -> None:
    """Every layer has the shapes and the multiply-adds that the summary tells."""
    architecture = archc.load(spec)
    scan = Scan(architecture.network, [(7, 7), architecture.input[1:]])
    for row in architecture.summary().layers:
        entry = scan.entries[row.path]
        assert entry.given[0][1] == row.input
        assert next(iter(entry.made.values()))[1] == row.output
        assert entry.macs[1] == row.macs
    assert_as_one_at_a_time(architecture, [(side, side) for side in range(1, 80, 5)])


def test_where_a_network_stops() -> None:
    """At 62×62 nothing is left of AlexNet's maps for the last pooling; the 63 that torchvision publishes run."""
    scan = Scan(archc.load("alexnet").network, [(62, 62), (63, 63)])
    (stop, none) = scan.stops
    assert none is None
    assert stop is not None
    assert stop.path == "features.12"
    assert scan.entries["features.11"].given[0][0] == (256, 2, 2)
    assert scan.entries["features.12"].made[None] == (None, (256, 1, 1))
    assert scan.entries["classifier.1"].given == ((None, (9216,)),)


def test_a_head_that_does_not_run_stops_nothing() -> None:
    """Inception v3 is legal at 75×75; its head, for training only, needs more."""
    scan = Scan(archc.load("inception_v3").network, [(75, 75), (299, 299)])
    assert scan.stops == [None, None]
    assert scan.heads[0] is not None
    assert scan.heads[0].path.startswith("AuxLogits.")
    assert scan.heads[1] is None


@given(st.lists(st.lists(st.integers(0, 3000), min_size=5, max_size=5), max_size=8))
def test_figures_are_packed_without_loss(lists: list[list[int]]) -> None:
    table = SeriesTable()
    for values, (factor, curve) in [(values, table.figure(values)) for values in lists]:
        packed = table.curves[curve]
        pairs = zip(packed[::2], packed[1::2], strict=True)
        assert [factor * value for value in chain.from_iterable(repeat(*pair) for pair in pairs)] == values


def test_figures_that_grow_alike_share_a_curve() -> None:
    table = SeriesTable()
    assert table.figure([0, 32, 64]) == [32, 0]
    assert table.figure([0, 192, 384]) == [192, 0]
    assert table.figure([0, 0, 0])[0] == 1
    assert run_lengths([4, 4, 4, 7]) == [4, 3, 7, 1]


def test_the_sizes_on_offer() -> None:
    """All from 1 to twice the declared one, in its proportions; fewer where a network is large."""
    alexnet = archc.load("alexnet")
    assert offered_sizes(alexnet.network, (63, 63)) == [(side, side) for side in range(1, 449)]
    wide = alexnet.configure((3, 100, 250))
    sizes = offered_sizes(wide.network, (63, 63))
    assert (100, 250) in sizes
    assert (50, 125) in sizes
    assert sizes[-1] == (LEAST_RANGE, 640)
    layers = "".join(f"  - conv2d: {{out_channels: {8 + i}, kernel_size: 1}}\n" for i in range(4000))
    large = archc.loads(f"input: [3, 90, 90]\nlayers:\n{layers}")
    sizes = offered_sizes(large.network, (40, 40))
    assert len(sizes) < 110
    assert {(39, 39), (40, 40), (90, 90)} <= set(sizes)
