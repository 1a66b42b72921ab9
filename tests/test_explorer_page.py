"""The explorer in a real browser: what a person does with it, by pointer and by keyboard alone."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from browser import Tab, chromium
from rectangle import Rectangle, meeting

import archc
from archc.explorer import html
from archc.graph import Graph, Instance, Node
from archc.library import bundled

NETWORKS = sorted((Path(__file__).parent / "networks").glob("*.yaml"))

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # playwright's own sockets


@cache
def page_of(spec: str | Path) -> str:
    return html(archc.load(spec))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Open the explorer of a spec; at the end nothing was complained of and nothing was loaded."""
    tabs: list[tuple[Tab, str]] = []

    def open_explorer(spec: str | Path, **options: Any) -> Tab:
        path = tmp_path / "explorer.html"
        path.write_text(page_of(spec), "utf-8")
        tab = Tab(browser, path.as_uri(), **options)
        tabs.append((tab, path.as_uri()))
        return tab

    yield open_explorer
    for tab, url in tabs:
        assert tab.said == []
        assert {asked.partition("#")[0] for asked in tab.asked} == {url}
        tab.context.close()


def test_a_block_is_opened_and_left_again(opened: Any) -> None:
    tab = opened("googlenet")
    assert tab.text("h1") == "GoogLeNet"
    assert tab.crumbs == ["GoogLeNet"]
    assert tab.shape("inception3a") == "256×28×28"
    tab.box("inception3a").click()
    assert tab.crumbs == ["GoogLeNet", "inception3a"]
    assert tab.chosen == "inception3a"
    assert tab.page.locator("#stage .box").count() == 8  # seven convolutions and poolings, and the join
    assert tab.shape("branch2.1") == "128×28×28"
    tab.box("branch2.1").click()
    assert tab.crumbs == ["GoogLeNet", "inception3a", "branch2.1"]
    assert tab.page.locator("#stage .box").count() == 3
    tab.page.go_back()
    assert tab.crumbs == ["GoogLeNet", "inception3a"]
    assert tab.chosen == "inception3a.branch2.1"
    tab.page.locator("#crumbs button").first.click()
    assert tab.crumbs == ["GoogLeNet"]


def test_every_output_is_shown_at_every_size(opened: Any, tmp_path: Path) -> None:
    spec = tmp_path / "split.yaml"
    spec.write_text(
        "name: Fork\ninput: [4, 32, 32]\nblocks:\n  Body:\n    layers:\n"
        "      a: {conv2d: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}}\n"
        "      b: {conv2d: {out_channels: 6, kernel_size: 5, stride: 2}}\n    outputs: [a, b]\n"
        "layers:\n  body: Body\n  ha: {relu: {}, from: body.a}\n  hb: {relu: {}, from: body.b}\noutputs: [ha, hb]\n"
    )
    tab = opened(spec)
    labels = tab.page.locator("#stage .label")
    assert labels.all_text_contents() == ["a · 8×16×16", "b · 6×6×6"]
    assert tab.shape("body") == "8×16×16, 6×6×6"
    assert tab.page.locator("#stage .terminal .shape").all_text_contents() == ["4×32×32", "8×16×16", "6×6×6"]
    tab.box("body").hover()
    assert "a 8×16×16, b 6×6×6" in tab.text("#tip")
    tab.page.evaluate("app.choose(app.model.byPath.get('body'))")
    assert "a 8×16×16, b 6×6×6" in tab.text("#card")
    tab.page.evaluate("app.resize(app.model.data.sizes.heights.indexOf(64))")
    assert labels.all_text_contents() == ["a · 8×32×32", "b · 6×14×14"]
    assert tab.page.locator("#stage .terminal .shape").all_text_contents() == ["4×64×64", "8×32×32", "6×14×14"]
    tab.page.evaluate("app.resize(0)")  # too small for `b`: no figure of another size stays
    shown = tab.text("#stage") + tab.text("#card").replace("at 32×32", "")  # the size of a receptive field is told
    assert "×14" not in shown
    assert "×32" not in shown
    assert tab.page.locator("#stage .terminal .shape").all_text_contents() == ["4×1×1", "8×1×1", "—"]
    assert labels.all_text_contents() == ["a · 8×1×1", "b · —"]


def test_search_takes_x_for_times(opened: Any) -> None:
    tab = opened("googlenet")
    tab.page.fill("#search", "4c 3x3 conv")
    found = tab.page.locator("#found .path").all_text_contents()
    assert found
    assert all("inception4c" in path for path in found)
    tab.page.fill("#search", "512x14x14")
    assert tab.page.locator("#found .path").count() > 2


@pytest.mark.parametrize("spec", ["googlenet", "densenet.yaml"])
def test_the_first_view_shows_the_whole_drawing(opened: Any, spec: str) -> None:
    tab = opened(NETWORKS[0].parent / spec if spec.endswith(".yaml") else spec)
    inside = tab.page.evaluate(
        """() => {
            const sight = document.querySelector("#canvas").getBoundingClientRect();
            return [...document.querySelectorAll("#stage .box")].every((box) => {
                const { left, top, right, bottom } = box.getBoundingClientRect();
                return left >= sight.left && top >= sight.top && right <= sight.right && bottom <= sight.bottom;
            });
        }"""
    )
    assert inside


def test_equal_blocks_share_a_drawing_but_no_shapes(opened: Any) -> None:
    """inception4e and inception5a have the same arguments and other inputs: each shows its own."""
    tab = opened("googlenet")
    tab.box("inception4e").click()
    assert tab.shape("join") == "832×14×14"
    tab.keys("Escape")
    tab.box("inception5a").click()
    assert tab.shape("join") == "832×7×7"


def test_the_pointer_shows_the_figures(opened: Any) -> None:
    tab = opened("alexnet")
    tab.box("features.3").hover()
    tip = tab.text("#tip")
    assert "64×27×27 → 192×27×27" in tip
    assert "307,392" in tip
    assert "223,948,800" in tip
    assert "receptive field51" in tip
    tab.page.locator("h1").hover()
    assert not tab.page.is_visible("#tip")


def test_the_card_and_the_table_agree_with_the_summary(opened: Any) -> None:
    tab = opened("resnet18")
    tab.page.get_by_role("button", name="Every layer").click()
    rows = {row.path: row for row in archc.load("resnet18").summary().layers}
    for row in tab.page.locator("#grid .row").all()[:12]:
        row.click()
        path = tab.chosen
        assert tab.text("#card .facts dd").startswith("×".join(map(str, rows[path].output)))
        told = tab.page.locator("#card .facts div").nth(1).get_attribute("title")
        assert told == f"{rows[path].parameters:,}"


def test_the_card_of_a_join_names_all_its_inputs(opened: Any) -> None:
    """An inception module concatenates four maps; a residual block adds two of one shape."""
    for spec, join, given in (
        ("googlenet", "inception3a.join", "64×28×28, 128×28×28, 32×28×28, 32×28×28"),
        ("resnet18", "layer1.0.sum", "2 of 64×56×56"),
    ):
        tab = opened(spec)
        tab.page.evaluate("(join) => app.choose(app.model.path.indexOf(join))", join)
        assert tab.text("#card .facts dd").endswith(f"from {given}")


def test_the_table_sorts(opened: Any) -> None:
    tab = opened("vgg11")
    head = tab.page.get_by_role("columnheader", name="Parameters")
    first = tab.page.locator("#grid .row .layer").first
    assert head.get_attribute("aria-sort") == "none"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert first.text_content() == "classifier.0"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "none"
    assert first.text_content() == "features.0"
    assert tab.page.locator("#grid").get_attribute("aria-rowcount") == "31"  # with its head


def test_below_the_smallest_input_the_network_stops(opened: Any) -> None:
    """AlexNet runs from 63×63 on: a pixel less, and the last pooling has nothing to look at."""
    tab = opened("alexnet")
    tab.page.get_by_role("button", name="smallest").click()
    assert tab.text("#image") == "3×63×63"
    assert tab.text("#status").startswith("Every layer runs at 63×63.")
    assert tab.shape("features.12") == "256×1×1"
    tab.page.locator("#size").press("ArrowLeft")
    assert tab.text("#image") == "3×62×62"
    assert tab.text("#status").startswith(
        "At 62×62 the network stops at features.12: `max_pool2d`: a window of 3 does not"
    )
    assert tab.shape("features.8") == "256×2×2"
    assert tab.shape("features.12") == "stops here"
    assert tab.shape("classifier.1") == "—"
    tab.page.locator("#status button").click()
    assert tab.chosen == "features.12"
    assert tab.text("#card .facts dd").startswith("does not run")
    tab.page.get_by_role("button", name="declared").click()
    assert tab.shape("features.12") == "256×6×6"


def test_every_figure_follows_the_size(opened: Any) -> None:
    tab = opened("googlenet")
    tab.page.locator("#size").evaluate("(e) => { e.value = 95; e.dispatchEvent(new Event('input')); }")
    assert tab.text("#image") == "3×96×96"
    summary = archc.load("googlenet").summary((3, 96, 96))
    told = tab.page.locator("#totals div", has_text="multiply-adds").get_attribute("title")
    assert told == f"{summary.macs:,}"
    tab.box("inception4a").click()
    (join,) = [row for row in summary.layers if row.path == "inception4a.join"]
    assert tab.shape("join") == "×".join(map(str, join.output))


def test_a_training_head_that_does_not_run_is_told_of(opened: Any) -> None:
    tab = opened("inception_v3")
    tab.page.get_by_role("button", name="smallest").click()
    assert tab.text("#status").startswith("At 75×75 the network runs, but its training head does not: AuxLogits.")


def test_a_layer_is_found(opened: Any) -> None:
    tab = opened("googlenet")
    tab.keys("/")
    tab.page.keyboard.type("4c 3×3 conv")
    options = tab.page.get_by_role("option")
    assert "inception4c.branch2.1.conv" in str(options.first.text_content())
    tab.keys("Enter")
    assert tab.chosen == "inception4c.branch2.1.conv"
    assert tab.crumbs == ["GoogLeNet", "inception4c", "branch2.1"]
    assert tab.focus == "conv"
    tab.keys("/")
    tab.page.keyboard.type("no such layer")
    assert tab.text("#found") == "nothing of that name"
    tab.keys("Escape")
    assert not tab.page.is_visible("#found")


def test_the_spec_and_the_source_are_linked_both_ways(opened: Any) -> None:
    tab = opened("googlenet")
    tab.box("inception4e").click()
    source = Path(__file__).parents[1] / "generated" / "googlenet.py"
    line = next(n for n, text in enumerate(source.read_text("utf-8").splitlines(), 1) if "self.inception4e = " in text)
    place = tab.page.locator("#card .place").last
    assert str(place.text_content()).startswith(f"googlenet.py:{line}self.inception4e = Inception(528, 256, 160")
    place.click()
    assert tab.page.locator(f"#source-{line}").get_attribute("aria-selected") == "true"
    spec = tab.page.locator("#spec-text .line.chosen")
    assert "inception4e: {Inception: [256, 160, 320, 32, 128, 128]}" in str(spec.text_content())
    # From a line of the source to its layer: that of the open block.
    tab.line("source", "self.branch1 = BasicConv2d").click()
    assert tab.chosen == "inception4e.branch1"
    tab.line("spec", "max_pool2d: {kernel_size: 3, stride: 1").click()
    assert tab.chosen == "inception4e.branch4.0"
    assert "use 7 of 9" in tab.text(".pane:first-child .uses")
    tab.page.locator(".pane:first-child .uses button").last.click()
    assert tab.chosen == "inception5a.branch4.0"
    assert tab.crumbs == ["GoogLeNet", "inception5a"]


def test_an_editor_leads_and_is_led(opened: Any) -> None:
    """The cursor's line chooses the layer, a chosen layer tells its line, and a new state takes the old one's place."""
    tab = opened("googlenet")
    text = bundled()["googlenet"].read_text("utf-8").splitlines()
    line = {
        part: next(at for at, row in enumerate(text, 1) if part in row) for part in ("  conv3:", "  fc:", "layers:")
    }
    tab.page.evaluate("window.sent = []; new Editor(app, { postMessage: (message) => sent.push(message) }); 0")
    send = "(message) => new Promise((done) => { window.postMessage(message); setTimeout(done, 50); })"
    tab.page.evaluate(send, {"file": "googlenet.yaml", "line": line["  conv3:"]})
    assert tab.chosen == "conv3"
    tab.page.evaluate(send, {"file": "other.yaml", "line": line["  fc:"]})
    tab.page.evaluate(send, {"file": "googlenet.yaml", "line": 1})
    assert tab.chosen == "conv3"
    assert tab.page.evaluate("sent") == [{"ready": True}]
    tab.page.evaluate("app.choose(app.model.byPath.get('fc'))")
    assert tab.page.evaluate("sent.slice(1)") == [{"file": "googlenet.yaml", "line": line["  fc:"]}]
    state = tab.page.evaluate("({ ...app.state, data: { ...app.state.data, name: 'Another' } })")
    tab.page.evaluate(send, {"state": state})
    assert tab.text("h1") == "Another"
    assert tab.chosen == "fc"


def test_a_spec_of_several_files_shows_each(opened: Any) -> None:
    tab = opened("vgg13")
    tab.page.locator("#tab-code").click()
    files = tab.page.locator(".pane:first-child header button")
    assert [re.sub(r".*/", "", text) for text in files.all_inner_texts()] == ["vgg13.yaml", "vgg11.yaml"]
    assert "extends" in tab.text("#spec-text")
    tab.box("classifier.0").click()
    assert "linear" in tab.text("#spec-text .line.chosen")
    files.first.click()
    assert "extends" in tab.text("#spec-text")


def test_the_keyboard_is_enough(opened: Any) -> None:
    """Open a block, look about, search, change the size, read the code: without a pointer, focus always in sight."""
    tab = opened("googlenet")
    tab.keys("d")
    assert tab.focus == "conv1"
    tab.keys("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown")
    assert (tab.focus, tab.chosen) == ("inception3a", "inception3a")
    outline = "getComputedStyle(document.activeElement.querySelector('.card')).strokeWidth"
    assert tab.page.evaluate(outline) == "3.5px"
    tab.keys("Enter")
    assert tab.crumbs == ["GoogLeNet", "inception3a"]
    tab.keys("ArrowRight")
    assert tab.focus in ("branch2.0", "branch2.1")
    tab.keys("Escape")
    assert (tab.crumbs, tab.focus) == (["GoogLeNet"], "inception3a")
    tab.keys("l")
    assert tab.focus == "grid"
    tab.keys("ArrowDown")
    assert tab.chosen == "inception3b"
    active = tab.page.locator("#grid").get_attribute("aria-activedescendant")
    assert tab.page.locator(f"#{active}").get_attribute("aria-selected") == "true"
    tab.keys("Enter")
    assert tab.crumbs == ["GoogLeNet", "inception3b"]
    tab.keys("i", "Home")
    assert tab.text("#image") == "3×1×1"
    tab.keys("]", "]")
    assert tab.text("#image") == "3×3×3"
    tab.keys("c")
    assert tab.focus == "spec-text"
    tab.keys("Home", "PageDown")
    tab.keys("?")
    assert tab.page.is_visible("#keys")
    tab.keys("Escape")
    assert not tab.page.is_visible("#keys")
    before = tab.page.evaluate("document.documentElement.dataset.theme")
    tab.keys("t")
    assert tab.page.evaluate("document.documentElement.dataset.theme") != before
    seen = set()
    for _ in range(60):
        tab.keys("Tab")
        seen.add(tab.focus)
    assert {"search", "theme", "help", "size", "divider", "grid"} - seen <= {"grid"}  # the code stands in its place


def test_roles_say_what_things_are(opened: Any) -> None:
    tab = opened("alexnet")
    box = tab.box("features.0")
    assert box.get_attribute("role") == "button"
    assert tab.page.get_by_role("button", name="features.0 11×11 conv, 64, /4 64×55×55 ReLU", exact=True).count() == 1
    for role in ("search", "grid", "slider", "tablist", "separator", "navigation"):
        assert tab.page.get_by_role(role).count() == 1, role
    size = tab.page.get_by_role("slider")
    assert size.get_attribute("aria-valuetext") == "3×224×224"
    size.press("Home")
    assert str(size.get_attribute("aria-valuetext")).startswith("3×1×1, stops at features.0")


def test_it_follows_the_system_into_the_dark(opened: Any) -> None:
    tab = opened("alexnet", color_scheme="dark")
    assert tab.page.evaluate("document.documentElement.dataset.theme") == "dark"
    colours = (
        "[getComputedStyle(document.body).backgroundColor,"
        " getComputedStyle(document.querySelector('#stage .box .card')).fill]"
    )
    dark = tab.page.evaluate(colours)
    tab.keys("t")
    light = tab.page.evaluate(colours)
    assert brightness(dark[0]) < 60 < 200 < brightness(light[0])
    assert brightness(dark[1]) < brightness(light[1])


def brightness(colour: str) -> float:
    red, green, blue = map(float, re.findall(r"[\d.]+", colour)[:3])
    return (red + green + blue) / 3


def test_zoom_and_pan(opened: Any) -> None:
    tab = opened("googlenet")
    place = tab.box("conv1").bounding_box
    width = place()["width"]
    tab.keys("+", "+")
    assert place()["width"] == pytest.approx(width * 1.25**2, rel=0.02)
    tab.keys("0")
    assert place()["width"] == pytest.approx(width, rel=0.02)
    x, y = place()["x"], place()["y"]
    tab.page.mouse.move(400, 850)
    tab.page.mouse.down()
    tab.page.mouse.move(460, 810, steps=4)
    tab.page.mouse.up()
    assert (place()["x"] - x, place()["y"] - y) == pytest.approx((60, -40), abs=8)
    assert tab.crumbs == ["GoogLeNet"]


PACKED = """() => {
  const visible = (element) => element.checkVisibility({ visibilityProperty: true });
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const around = node.parentElement;
    if (!node.data.trim() || /SCRIPT|STYLE|CODE/.test(around.tagName) || !visible(around)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const { left, top, right, bottom } of range.getClientRects()) {
      let clipped = null;
      for (let at = around; at; at = at.parentElement) {
        const style = getComputedStyle(at);
        if (style.overflowX === "visible") continue;
        const room = at.getBoundingClientRect();
        if (left < room.left - 0.5 || right > room.right + 0.5) clipped = at.outerHTML.slice(0, 80);
      }
      found.push({ text: node.data, room: [left, top, right, bottom], clipped });
    }
  }
  return found;
}"""
"""Every text in sight, but for lines of code: where it stands, and what cuts it off at its sides."""


@pytest.mark.parametrize(
    ("spec", "block"),
    [(name, None) for name in ("alexnet", "vgg16", "googlenet", "inception_v3", "resnet50")]
    + [("googlenet", "inception3a")],
)
def test_no_text_meets_another_or_is_clipped_at_1200_pixels(opened: Any, spec: str, block: str | None) -> None:
    tab = opened(spec, viewport={"width": 1200, "height": 900})
    if block:
        tab.box(block).click()
        tab.box("join").click()
    found = tab.page.evaluate(PACKED)
    assert len(found) > 100
    assert [text for text in found if text["clipped"]] == []
    assert meeting(rectangle(text["room"]) for text in found) == []


def rectangle(edges: list[float]) -> Rectangle:
    """A text's rectangle without the empty space above and below the letters."""
    left, top, right, bottom = edges
    rim = (bottom - top) / 8
    return Rectangle(left + 0.5, top + rim, right - 0.5, bottom - rim)


def test_a_link_leads_to_an_opened_block(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page_of("googlenet"), "utf-8")
    tab = Tab(browser, f"{path.as_uri()}#inception4b.branch3")
    assert tab.crumbs == ["GoogLeNet", "inception4b"]
    tab.context.close()


HOSTILE = """
name: Net
description: "</script><script>window.hurt = 1</script><img src=x onerror='window.hurt = 1'>"
paper: "javascript:window.hurt = 1"
input: [3, 8, 8]
arguments: {mode: "<b>zeros</b>"}
blocks:
  Block:  # </script><script>window.hurt = 1</script>
    description: "<svg onload='window.hurt = 1'>"
    layers: [{conv2d: {out_channels: 4, kernel_size: 1}}]
layers: [Block, relu]
"""


def test_nothing_of_a_spec_becomes_markup(browser: Any, tmp_path: Path) -> None:
    spec = tmp_path / "a<i onclick=x>&quot;.yaml"
    spec.write_text(HOSTILE, "utf-8")
    path = tmp_path / "page.html"
    path.write_text(html(archc.load(spec)), "utf-8")
    tab = Tab(browser, path.as_uri())
    assert tab.page.evaluate("window.hurt") is None
    assert "<script>window.hurt" in tab.text("#about")
    assert tab.page.locator("#about a").count() == 0
    tab.box("0").click()
    tab.page.locator("#tab-code").click()
    assert "</script><script>" in tab.text("#spec-text")
    # And if something did, the policy would not let it run or fetch.
    tab.page.evaluate(
        "() => { const script = document.createElement('script'); script.textContent = 'window.hurt = 2';"
        " document.body.append(script) }"
    )
    assert tab.page.evaluate("window.hurt") is None
    assert tab.page.evaluate("fetch('https://example.org/').then(() => 'sent', () => 'refused')") == "refused"
    assert tab.asked == [path.as_uri()]
    tab.context.close()


@pytest.mark.parametrize("spec", [*NETWORKS, "inception_module", "squeezenet1_1"], ids=lambda spec: Path(spec).stem)
def test_every_block_of_every_network_opens(opened: Any, spec: str | Path) -> None:
    """Each entry is chosen and each block is opened, at the declared size and where nothing runs."""
    tab = opened(spec)
    seen = tab.page.evaluate("""() => {
      let opened = 0;
      for (const size of [app.model.declared, 0]) {
        app.resize(size);
        for (let entry = 0; entry < app.model.count; entry++) {
          app.choose(entry);
          if (document.querySelector("#card h2").title !== app.model.path[entry]) return `card of ${entry}`;
          if (!document.querySelector("#stage .chosen")) return `box of ${entry}`;
          if (!document.querySelector("#grid [aria-selected=true]")) return `row of ${entry}`;
          if (!app.model.opens(entry)) continue;
          app.open(entry);
          opened++;
          if (!document.querySelector("#stage .box")) return `inside of ${entry}`;
        }
        app.open(-1);
      }
      return opened;
    }""")
    blocks = sum(1 for _, node in nodes(archc.load(spec).network.graph) if isinstance(node.element, Instance))
    assert seen == 2 * blocks


def nodes(graph: Graph) -> Iterator[tuple[str, Node]]:
    for node in graph.nodes:
        yield node.name, node
        if node.graph is not None:
            yield from nodes(node.graph)


def test_ten_thousand_layers_open_and_scroll(browser: Any, tmp_path: Path) -> None:
    entries = "".join(
        f"  c{i}: {{conv2d: {{out_channels: {16 + i % 3}, kernel_size: 3, padding: 1}}}}\n  r{i}: relu\n"
        for i in range(5000)
    )
    spec, path = tmp_path / "large.yaml", tmp_path / "large.html"
    spec.write_text(f"name: Large\ninput: [16, 64, 64]\nlayers:\n{entries}", "utf-8")
    program = "import time; from archc.cli.main import main; main(); print(time.process_time())"  # as the command runs

    def seconds(*arguments: str) -> float:
        """What a command takes of the CPU, from the start of Python on."""
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120, check=True
        )
        return float(done.stdout.splitlines()[-1])

    assert seconds("draw", str(spec), "-o", str(path)) < 6 * seconds("check", str(spec))  # 2.9 measured
    assert path.stat().st_size < 4_000_000
    tab = Tab(browser, path.as_uri())
    assert "10,000 layers" in tab.text("#layers .note")
    assert tab.page.locator("#stage .box").count() < 200
    assert tab.page.locator("#grid .row").count() < 100
    tab.keys("l", "End")
    assert tab.chosen == "r4999"
    assert tab.page.locator("#grid .row", has_text="r4999").is_visible()
    took = tab.page.evaluate(
        "() => { const start = performance.now(); for (let i = 0; i < 10; i++) app.resize(i);"
        " return performance.now() - start }"
    )
    assert took < 10 * 400  # a step of the slider, with all that follows
    assert tab.said == []
    tab.context.close()
