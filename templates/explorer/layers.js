/** The table of layers within the open block: it sorts, and its bars compare. */
const ROW = 26;
const LEAST = { layer: 100, what: 64 };
const DOT = 26; // a kind without its words

class Layers {
  constructor(app) {
    this.app = app;
    this.root = byId("layers");
    this.sort = { column: null, down: true };
    this.flat = false;
    this.rows = [];
    this.columns = [
      { key: "layer", title: "Layer", value: (entry) => app.model.path[entry] },
      { key: "what", title: "Kind", value: (entry) => app.model.call(entry).short },
      { key: "output", title: "Output", value: (entry) => (app.model.output(entry, app.size) ?? [0]).reduce((a, b) => a * b, 1) },
      { key: "parameters", title: "Parameters", width: 76, bar: true, value: (entry) => app.model.parameters.of(entry) },
      { key: "macs", title: "Multiply-adds", width: 88, bar: true, value: (entry) => app.model.at(app.size).macs.of(entry) },
      { key: "bytes", title: "Memory", width: 76, told: bytesOf, bar: true, value: (entry) => app.model.at(app.size).bytes.of(entry) },
      { key: "field", title: "Field", width: 54, value: (entry) => Math.max(...(app.model.field(entry) ?? [0]).slice(0, 2)) },
    ];
    this.profile = new Profile(app);
    this.head = el("div", { role: "row", class: "columns" });
    this.grid = el("div", { role: "grid", id: "grid", tabindex: 0, "aria-label": "Layers", onkeydown: (event) => this.key(event) });
    this.grid.append(el("div", { role: "rowgroup", class: "heads" }, this.head));
    this.list = new VirtualList(this.grid, ROW, (index) => this.row(index), ROW);
    this.list.space.setAttribute("role", "rowgroup");
    this.pen = document.createElement("canvas").getContext("2d");
    new ResizeObserver(() => this.app.model && this.fit()).observe(this.grid);
    this.levels = el("div", { class: "levels", role: "group", "aria-label": "Rows" });
    this.note = el("span", { class: "note" });
    const tools = el("div", { class: "tools" }, this.levels, this.note);
    this.root.append(this.profile.root, tools, this.grid);
  }

  update(changed) {
    const { model, scope } = this.app;
    const items = model.items(scope);
    const nested = items.some((entry) => !model.isLayer(entry));
    if (changed.has("model") || changed.has("scope") || changed.has("level")) {
      this.entries = this.flat || !nested ? model.layers(scope) : items;
      refill(
        this.levels,
        ...[["Blocks", false], ["Every layer", true]].map(([name, flat]) =>
          el("button", { type: "button", "aria-pressed": String(this.flat === flat), onclick: () => this.level(flat) }, name),
        ),
      );
      this.names = {
        layer: this.room((entry) => model.within(entry, scope), "600") + 34,
        what: this.room((entry) => model.call(entry).short) + 27,
      };
    }
    if (["model", "scope", "level", "size"].some((part) => changed.has(part))) this.measure(nested);
    this.list.show(this.rows.length);
    const at = this.rowOf(this.app.chosen);
    if (at >= 0) this.list.reveal(at);
    this.activate();
    this.profile.update();
  }

  /** All that does not depend on the chosen layer. */
  measure(nested) {
    const { model, scope } = this.app;
    this.levels.hidden = !nested;
    const total = model.layers(scope).length;
    this.note.textContent = `${exactly(total)} ${total === 1 ? "layer" : "layers"}${scope === NETWORK ? "" : ` in ${model.path[scope]}`}`;
    this.order();
    this.most = Object.fromEntries(
      this.columns.filter((column) => column.bar).map(({ key, value }) => [key, this.entries.reduce((most, entry) => Math.max(most, value(entry)), 1)]),
    );
    this.fit();
    this.heads();
    this.grid.setAttribute("aria-rowcount", this.rows.length + 1);
  }

  /** Columns as wide as their texts. Where the room ends, the figures that the card tells go, then the kinds' words. */
  fit() {
    const { model, size } = this.app;
    const needs = { ...this.names, output: Math.max(60, this.room((entry) => form(model.output(entry, size))) + 12) };
    const width = ({ key, width }) => width ?? needs[key];
    const all = this.columns.reduce((sum, column) => sum + width(column), 0);
    const { clientWidth } = this.grid;
    const hidden = [];
    for (const key of ["field", "bytes"]) {
      if (hidden.reduce((sum, column) => sum - width(column), all) <= clientWidth) break;
      hidden.push(this.columns.find((column) => column.key === key));
    }
    const shown = this.columns.filter((column) => !hidden.includes(column));
    const left = clientWidth - shown.reduce((sum, { key, width }) => sum + (key in LEAST ? 0 : (width ?? needs[key])), 0);
    const spare = Math.max(0, left - needs.layer - needs.what) / 2;
    const words = Math.min(needs.what, left - Math.min(needs.layer, left - DOT)) + spare;
    const what = words < LEAST.what ? DOT : words;
    const layer = Math.max(LEAST.layer, left - what);
    this.grid.style.setProperty("--columns", shown.map((column) => `${{ layer, what }[column.key] ?? width(column)}px`).join(" "));
    this.grid.className = [...hidden.map(({ key }) => `no-${key}`), what === DOT ? "dots" : ""].join(" ");
  }

  /** The width of the widest of the rows' texts, which is among the longest. */
  room(text, weight = "400") {
    this.pen.font = `${weight} 12.5px ${getComputedStyle(this.grid).fontFamily}`;
    const texts = [...new Set(this.entries.map(text))];
    const longest = texts.reduce((most, { length }) => Math.max(most, length), 0);
    const near = texts.filter(({ length }) => length > longest - 4);
    return Math.ceil(near.reduce((most, one) => Math.max(most, this.pen.measureText(one).width), 0));
  }

  level(flat) {
    this.flat = flat;
    this.app.update("level");
  }

  order() {
    const { column, down } = this.sort;
    this.rows = [...this.entries];
    if (column) {
      const { value } = this.columns.find(({ key }) => key === column);
      const values = new Map(this.rows.map((entry) => [entry, value(entry)]));
      const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
      this.rows.sort((a, b) => (down ? -1 : 1) * compare(values.get(a), values.get(b)) || a - b);
    }
    this.places = new Map(this.rows.map((entry, index) => [entry, index]));
  }

  /** Columns sort by their larger figures first, names by their alphabet, and the third time by the order of running. */
  sortBy(key) {
    const first = key !== "layer" && key !== "what";
    if (this.sort.column !== key) this.sort = { column: key, down: first };
    else if (this.sort.down === first) this.sort.down = !first;
    else this.sort = { column: null, down: true };
    this.app.update("level");
  }

  heads() {
    const cells = this.columns.map(({ key, title }) => {
      const sorted = this.sort.column === key ? (this.sort.down ? "descending" : "ascending") : "none";
      const button = el("button", { type: "button", onclick: () => this.sortBy(key) }, title);
      return el("div", { role: "columnheader", class: key, "aria-sort": sorted }, button);
    });
    refill(this.head, ...cells);
  }

  rowOf(entry) {
    for (let at = entry; at !== NETWORK; at = this.app.model.parent[at]) if (this.places.has(at)) return this.places.get(at);
    return -1;
  }

  row(index) {
    const { app } = this;
    const { model, size } = app;
    const entry = this.rows[index];
    const state = model.state(entry, size);
    const call = model.call(entry);
    const inside = model.within(entry, app.scope);
    const field = model.field(entry);
    const cut = inside.lastIndexOf(".") + 1;
    const cells = [
      [el("span", { class: "around" }, inside.slice(0, cut)), el("span", { class: "inner" }, inside.slice(cut)), model.isLayer(entry) ? null : el("span", { class: "more" }, "›")],
      [el("i", { class: `dot ${call.role}` }), el("span", { class: "words" }, call.short)],
      [state === "stops" ? "stops" : form(model.output(entry, size))],
      ...this.columns.filter((column) => column.bar).map((column) => this.bar(column, entry)),
      [field ? pair(field[0], field[1]) : "—"],
    ];
    const chosen = model.contains(entry, app.chosen) || (app.chosen !== app.scope && model.contains(app.chosen, entry));
    const row = el("div", { role: "row", id: `row-${entry}`, class: `row ${state}`, "aria-rowindex": index + 2, "aria-selected": String(chosen), title: model.path[entry], onclick: () => this.pick(entry), ondblclick: () => this.enter(entry) });
    row.append(...cells.map((parts, at) => el("div", { role: "gridcell", class: this.columns[at].key }, ...parts.filter(Boolean))));
    return row;
  }

  bar({ key, value, told = roughly }, entry) {
    const amount = value(entry);
    const bar = el("span", { class: "bar", "aria-hidden": "true" });
    bar.style.width = `calc(${amount / this.most[key]} * (100% - 8px))`;
    return amount ? [bar, el("span", { class: "amount" }, told(amount))] : [el("span", { class: "amount none" }, "–")];
  }

  pick(entry) {
    this.app.choose(entry);
  }

  enter(entry) {
    if (!this.app.model.isLayer(entry)) this.app.open(entry);
  }

  key(event) {
    if (event.target !== this.grid || event.altKey || event.ctrlKey || event.metaKey) return;
    const at = this.rowOf(this.app.chosen);
    const to = step(event.key, at, this.rows.length, this.list.page);
    if (to !== null) this.pick(this.rows[to]);
    else if (event.key === "Enter" && at >= 0) this.enter(this.rows[at]);
    else return;
    event.preventDefault();
  }

  activate() {
    const at = this.rowOf(this.app.chosen);
    if (at >= 0) this.grid.setAttribute("aria-activedescendant", `row-${this.rows[at]}`);
    else this.grid.removeAttribute("aria-activedescendant");
  }
}
