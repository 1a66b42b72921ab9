"""One page per bundled spec: picture, numbers next to the published ones, table of its blocks, spec and source."""

from __future__ import annotations

import re
from functools import cache
from itertools import takewhile
from pathlib import Path

import archc
from archc.architecture import Architecture
from archc.explorer import html
from archc.inference import Line
from archc.kinds import Kind
from archc.language.sources import source_files
from archc.library import bundled, families
from archc.text import engineering, form

from .page import WIDE, Page, fence, prose, table
from .pictures import picture
from .plot import accuracy_plot
from .published import Published, published


@cache
def architectures() -> dict[str, Architecture]:
    """The bundled networks by name."""
    return {name: archc.load(name) for name in bundled()}


def gallery_pages() -> list[Page]:
    """The overview and a page for each family."""
    return [
        Page("gallery/index.md", "Gallery", _overview()),
        *(Page(f"gallery/{name}.md", name, _text(name, architectures()[name])) for name in families()),
    ]


@cache
def page_of(name: str) -> str:
    """The page that a bundled spec is on: the one of its family."""
    return next((first for first, others in families().items() if name in others), name)


def explorers() -> dict[str, str]:
    """The page of each family's first network in the explorer, by its path in the tree."""
    return {f"gallery/explorer/{name}.html": html(architectures()[name]) for name in families()}


_INTRO = """# Gallery

These specs are included with archc. Each page shows a family of networks: the picture of the first one, its numbers
next to the published ones, its spec, the source that archc emits, and the others with the values that they change. In
the explorer you can open blocks and jump from each layer to its line.

{known}
Accuracies are the published ones for ImageNet; each page names the source. archc infers the parameters and
multiply-adds, for evaluation mode.

{plot}
## Others

Networks for teaching, and those without a published accuracy.

{others}"""


_PARTS = "[Figures](#figures) · [Blocks](#blocks) · [Spec](#spec) · [Source](#source)"


def _overview() -> str:
    known, others, points = [], [], []
    for name in (name for first, rest in families().items() for name in (first, *rest)):
        architecture = architectures()[name]
        summary, figures = architecture.summary(), published(name)
        link, costs = f"[{name}]({page_of(name)}.md)", (f"{summary.parameters:,}", engineering(summary.macs))
        if figures is None:
            others.append((link, architecture.network.spec.description, form(summary.input), *costs))
            continue
        top1 = f"{figures.top1:.1f} %" if figures.top1 else "–"
        known.append((link, *costs, form(summary.min_input), top1, f"{figures.top5:.1f} %"))
        if figures.top1:
            points.append((name, page_of(name), summary.macs / 1e9, figures.top1, summary.parameters))
    return _INTRO.format(
        known=table("network | parameters | multiply-adds | smallest input | top-1 | top-5", known, "lrrrrr"),
        plot=accuracy_plot(points),
        others=table("network | is | input | parameters | multiply-adds", others, "lllrr"),
    )


def _text(name: str, architecture: Architecture) -> str:
    spec = architecture.network.spec
    path = bundled()[name]
    paper = f" ([paper](<{spec.paper}>))" if spec.paper else ""
    parts = [
        WIDE,
        f"# {spec.name}\n",
        f"{spec.description}{paper}.\n",
        f"{_remark(path)}\n",
        f"{_PARTS} · [Explorer](explorer/{name}.html)\n",
        picture([architecture]),
        "## Figures\n",
        _figures(architecture, published(name)),
        f"## Blocks\n\n{_blocks(architecture.summary().outline())}",
        f"`archc summary {name} --depth all` lists every layer.\n",
        "## Spec\n",
        *(fence(file.read_text("utf-8"), "yaml", f"specs/{file.name}") for file in source_files(path)[:2]),
        *_family(name),
        "## Source\n",
        f"What `archc emit {name}` writes:\n",
        fence(architecture.emit(), "python", f"generated/{name}.py"),
    ]
    return "\n".join(parts)


def _family(name: str) -> list[str]:
    """The others of a family with their figures, and the spec of each."""
    others = families()[name]
    if not others:
        return []
    rows, specs = [], []
    for other in others:
        summary, figures = architectures()[other].summary(), published(other)
        top1 = f"{figures.top1:.1f} %" if figures and figures.top1 else "–"
        costs = (f"{summary.parameters:,}", f"{summary.macs:,}", form(summary.min_input), top1)
        rows.append((f"`{other}`", form(summary.input), *costs))
        specs.append(fence(bundled()[other].read_text("utf-8"), "yaml", f"specs/{other}.yaml"))
    shown = table("network | input | parameters | multiply-adds | smallest input | top-1", rows, "lrrrrr")
    return [f"## Family\n\n{shown}", *specs]


def _remark(path: Path) -> str:
    """The comment at the top of a spec; other specs that it names are links."""
    lines = takewhile(lambda line: line.startswith("#"), path.read_text("utf-8").splitlines())
    text = prose("\n".join(line.removeprefix("#") for line in lines if "yaml-language-server" not in line))
    names = "|".join(sorted(bundled(), key=len, reverse=True))
    return re.sub(rf"\b({names})\.yaml", lambda found: f"[{found[1]}]({page_of(found[1])}.md)", text)


def _figures(architecture: Architecture, published: Published | None) -> str:
    summary = architecture.summary()
    own = {
        "input": form(summary.input),
        "output": ", ".join(form(shape) for shape in summary.outputs.values()),
        "parameters": f"{summary.parameters:,}",
        "parameters with auxiliary heads": f"{summary.training_parameters:,}",
        "multiply-adds": f"{summary.macs:,}",
        "smallest input": form(summary.min_input),
    }
    if summary.training_parameters == summary.parameters:
        del own["parameters with auxiliary heads"]
    if published is None:
        return table("figure | archc infers", own.items(), "lr")
    theirs = {}
    if published.parameters is not None:
        counted = "parameters with auxiliary heads" if published.with_heads else "parameters"
        theirs[counted] = f"{published.parameters:,}"
    if published.gmacs is not None:
        theirs["multiply-adds"] = f"{published.gmacs:.3f} G"
    if published.min_input is not None:
        theirs["smallest input"] = form((published.min_input, published.min_input))
    rows = [(name, value, theirs.get(name, "")) for name, value in own.items()]
    for which, accuracy in (("top-1", published.top1), ("top-5", published.top5)):
        if accuracy is not None:
            rows.append((f"{which} accuracy on ImageNet", "", f"{accuracy:.5g} %"))
    shown = table("figure | archc infers | published", rows, "lrr")
    return f"{shown}\nPublished: [{published.source}](<{published.link}>).\n"


def _blocks(lines: list[Line]) -> str:
    """The network at the level of its blocks, as `archc summary` lists it; a layer's name leads to its kind."""
    rows = []
    for line in lines:
        name = f"`{line.path}`" if line.count == 1 else f"`{line.path}` … `{line.last}`"
        what, element = line.kind, line.node.element
        if isinstance(element, Kind):
            what = f"[{element.label(line.node.in_shapes)}](../kinds/{element.kind}.md)"
        rows.append(
            (
                f"{name} (training)" if line.training else name,
                what if line.count == 1 else f"{line.count} × {what}",
                form(line.output),
                f"{line.parameters:,}" if line.parameters else "–",
                "" if line.parameter_share is None else f"{line.parameter_share:.0%}",
                f"{line.macs:,}" if line.macs else "–",
                "" if line.mac_share is None else f"{line.mac_share:.0%}",
                form(line.receptive_field),
            )
        )
    head = "name | layer or block | output | parameters | share | multiply-adds | share | receptive field"
    return table(head, rows, "lllrrrrr")
