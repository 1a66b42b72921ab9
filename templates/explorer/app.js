/**
 * What is shown: the open block (`scope`), the chosen entry, the input's size. Every change goes through `update`,
 * which tells each view what has changed.
 */
class App {
  constructor(state) {
    this.state = state;
    this.model = null;
    this.scope = NETWORK;
    this.chosen = NETWORK;
    this.size = 0;
    this.tip = new Tip(this);
    this.report = new Problems();
    this.slider = new Slider(this);
    this.drawing = new Drawing(this);
    this.card = new Card(this);
    this.layers = new Layers(this);
    this.code = new Code(this);
    this.views = [this.slider, this.drawing, this.code, this.card, this.layers];
    this.search = new Search(this);
    new Keys(this);
    window.addEventListener("hashchange", () => this.followAddress());
    this.load(state);
    if (window.acquireVsCodeApi) new Editor(this, window.acquireVsCodeApi());
    else if (state.live) new Live(this);
  }

  /** Show another version of the architecture, at the same place as far as it is still there. */
  load(state) {
    const { data, problems, stale } = state;
    this.report.show(problems, stale && Boolean(data));
    document.body.classList.toggle("empty", !data);
    if (!data) return;
    const before = this.model;
    this.model = new Model(data);
    const same = (entry) => (before && entry !== NETWORK ? this.nearest(before.path[entry]) : NETWORK);
    const kept = before && before.declared !== this.size ? before.imageSize(this.size)[0] : null;
    const size = kept === null ? -1 : data.sizes.heights.indexOf(kept);
    this.size = size < 0 ? this.model.declared : size;
    this.chosen = same(this.chosen);
    const shown = before?.path[this.scope];
    const scope = before ? same(this.scope) : this.addressed();
    this.scope = this.model.opens(scope) ? scope : this.model.home(scope);
    const moved = !before || shown !== this.model.path[this.scope];
    if (!before) this.chosen = this.scope;
    this.header();
    this.update("model", "chosen", "size", ...(moved ? ["scope"] : []));
  }

  nearest(path) {
    for (let at = path; at; at = at.slice(0, Math.max(0, at.lastIndexOf(".")))) {
      if (this.model.byPath.has(at)) return this.model.byPath.get(at);
    }
    return NETWORK;
  }

  header() {
    const { data } = this.model;
    document.title = `${data.name} · archc`;
    byId("name").textContent = byId("name").title = data.name;
    const paper = /^https?:\/\//.test(data.paper) ? el("a", { href: data.paper, rel: "noreferrer noopener", target: "_blank" }, "paper") : data.paper;
    byId("about").replaceChildren(...[data.description, paper].filter(Boolean).flatMap((part, at) => (at ? [" · ", part] : [part])));
  }

  /** The totals at the size of the slider. */
  totals() {
    const { model, size } = this;
    const { data } = model;
    const trained = data.training_parameters !== data.parameters ? `${exactly(data.training_parameters)} in training` : "";
    const results = Object.entries(data.results).map(([name, shape]) => [name, form(model.shape(shape, size))]);
    const output = results.length === 1 ? results[0][1] : results.map(([name, shape]) => `${name} ${shape}`).join(", ");
    const macs = model.at(size).macs.of(NETWORK);
    const facts = [
      ["parameters", roughly(data.parameters), `${exactly(data.parameters)}${trained && `, ${trained}`}`],
      ["multiply-adds", model.stop(size) ? "—" : roughly(macs), exactly(macs)],
      ["output", output, output],
    ];
    byId("totals").replaceChildren(...facts.map(([name, value, title]) => el("div", { title }, el("dd", {}, value), el("dt", {}, name))));
  }

  update(...changed) {
    const what = new Set(changed);
    if (what.has("size") || what.has("model")) this.totals();
    for (const view of this.views) view.update(what);
  }

  /** Choose an entry; the open block is left where it does not hold it. */
  choose(entry) {
    if (entry === this.chosen) return;
    this.chosen = entry;
    if (this.model.contains(this.scope, entry)) this.update("chosen");
    else this.open(this.model.home(entry), entry);
  }

  /** Open a block: its inside takes the drawing's place. */
  open(scope, chosen = scope) {
    this.chosen = chosen;
    if (scope === this.scope) return this.update("chosen");
    this.scope = scope;
    const path = scope === NETWORK ? "" : this.model.path[scope];
    if (this.address() !== path) window.location.hash = encodeURIComponent(path);
    this.update("scope", "chosen");
  }

  /** Open the block around the open one. */
  close() {
    if (this.scope !== NETWORK) this.open(this.model.home(this.scope), this.scope);
    else this.choose(NETWORK);
  }

  /** Open a block with an entry chosen, and go on in the drawing. */
  find(scope, entry = scope) {
    this.open(scope, entry);
    this.drawing.focus();
  }

  resize(size) {
    this.size = clamp(size, 0, this.model.sizes - 1);
    this.update("size");
  }

  address() {
    try {
      return decodeURIComponent(window.location.hash.slice(1));
    } catch {
      return "";
    }
  }

  addressed() {
    const entry = this.nearest(this.address());
    return this.model.opens(entry) ? entry : this.model.home(entry);
  }

  followAddress() {
    if (!this.model) return;
    const scope = this.addressed();
    const back = this.scope !== scope && this.model.contains(scope, this.scope);
    if (scope !== this.scope) this.open(scope, back ? this.scope : scope);
  }

  showTab(name) {
    for (const tab of document.querySelectorAll("[role=tab]")) {
      const on = tab.getAttribute("aria-controls") === name;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      byId(tab.getAttribute("aria-controls")).hidden = !on;
    }
    this.update("tab");
  }

  showCode(pane) {
    this.showTab("code");
    byId(`${pane}-text`).focus();
  }
}

window.app = new App(JSON.parse(byId("state").textContent)); // for whoever opens the console
