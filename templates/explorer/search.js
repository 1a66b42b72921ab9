/** Find a layer by its path, kind or shape. */
const MOST_FOUND = 60;

/** `3x3` is what people type for `3×3`. */
const times = (word) => word.replace(/(\d)x(?=\d|$)/g, "$1×");

class Search {
  constructor(app) {
    this.app = app;
    this.input = byId("search");
    this.list = byId("found");
    this.found = [];
    this.input.addEventListener("input", () => this.look());
    this.input.addEventListener("focus", () => (this.input.select(), this.look()));
    this.input.addEventListener("blur", () => this.close());
    this.input.addEventListener("keydown", (event) => this.key(event));
  }

  /** Entries that hold every word: whole names first, then those that begin so, then the others. */
  look() {
    const { model, size } = this.app;
    const words = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    this.found = [];
    this.at = -1;
    if (!model || !words.length) return this.close();
    const ranked = [];
    for (let entry = 0; entry < model.count; entry++) {
      const call = model.call(entry);
      const path = model.path[entry].toLowerCase();
      const text = `${path} ${call.kind} ${call.short} ${form(model.output(entry, size))}`.toLowerCase();
      if (!words.every((word) => text.includes(word) || text.includes(times(word)))) continue;
      const rank = path === words[0] ? 0 : path.startsWith(words[0]) ? 1 : path.includes(words[0]) ? 2 : 3;
      ranked.push([rank, model.path[entry].split(".").length, entry]);
    }
    ranked.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
    this.total = ranked.length;
    this.found = ranked.slice(0, MOST_FOUND).map(([, , entry]) => entry);
    this.show();
  }

  show() {
    const { model, size } = this.app;
    const rows = this.found.map((entry, index) => {
      const call = model.call(entry);
      return el(
        "li",
        { role: "option", id: `found-${index}`, "aria-selected": String(index === this.at), onpointerdown: (event) => (event.preventDefault(), this.take(index)) },
        el("i", { class: `dot ${call.role}` }),
        el("span", { class: "path" }, model.path[entry]),
        el("span", { class: "what" }, call.short),
        el("span", { class: "shape" }, form(model.output(entry, size))),
      );
    });
    const rest = this.total - this.found.length;
    if (rest > 0) rows.push(el("li", { class: "rest", role: "presentation" }, `and ${exactly(rest)} more`));
    if (!rows.length) rows.push(el("li", { class: "rest", role: "presentation" }, "nothing of that name"));
    this.list.replaceChildren(...rows);
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.activate();
  }

  activate() {
    const active = this.at >= 0 ? byId(`found-${this.at}`) : null;
    for (const row of this.list.querySelectorAll("[role=option]")) row.setAttribute("aria-selected", String(row === active));
    if (active) {
      active.scrollIntoView({ block: "nearest" });
      this.input.setAttribute("aria-activedescendant", active.id);
    } else this.input.removeAttribute("aria-activedescendant");
  }

  key(event) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const by = event.key === "ArrowDown" ? 1 : -1;
      if (this.found.length) this.at = (Math.max(this.at, by < 0 ? 0 : -1) + by + this.found.length) % this.found.length;
      this.activate();
    } else if (event.key === "Enter") this.take(Math.max(0, this.at));
    else if (event.key === "Escape") {
      if (this.list.hidden && !this.input.value) this.input.blur();
      this.input.value = "";
      this.close();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  take(index) {
    if (!this.found.length) return;
    const entry = this.found[index];
    this.close();
    this.app.find(this.app.model.home(entry), entry);
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }
}
