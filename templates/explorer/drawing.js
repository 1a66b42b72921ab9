/** The picture of the open block: to look at, to move about in, and to open the blocks in it. */
const CLOSEST = 4;
const FARTHEST = 0.05;

class Drawing {
  constructor(app) {
    this.app = app;
    this.canvas = byId("canvas");
    this.stage = byId("stage");
    this.view = { x: 0, y: 0, scale: 1 };
    this.boxes = [];
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.grab(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("pointerup", (event) => this.drop(event));
    this.canvas.addEventListener("pointercancel", () => (this.held = null));
    this.canvas.addEventListener("pointerleave", () => this.app.tip.hide());
    this.stage.addEventListener("keydown", (event) => this.key(event));
    for (const button of document.querySelectorAll("[data-zoom]")) {
      const act = { in: () => this.zoom(1.25), out: () => this.zoom(0.8), fit: () => this.fit() }[button.dataset.zoom];
      button.addEventListener("click", act);
    }
    new ResizeObserver(() => this.untouched && this.fit()).observe(this.canvas);
  }

  update(changed) {
    if (changed.has("scope")) this.draw();
    else if (changed.has("model")) this.draw(!this.untouched);
    else if (changed.has("size")) this.resize();
    if (changed.has("model") || changed.has("scope") || changed.has("chosen")) this.mark();
    if (changed.has("model") || changed.has("scope")) this.crumbs();
  }

  /** The picture of a block is one for all equal instances: its paths begin at the block. */
  draw(keepView = false) {
    const { model, scope } = this.app;
    const { drawings, columns } = model.data;
    const held = this.stage.contains(document.activeElement);
    const number = scope === NETWORK ? 0 : columns.drawing[scope];
    const parsed = new DOMParser().parseFromString(drawings[number], "image/svg+xml").documentElement;
    this.svg = document.importNode(parsed, true);
    for (const told of this.svg.querySelectorAll("title, desc")) told.remove(); // the page tells it, and more
    this.svg.setAttribute("role", "group");
    this.svg.setAttribute("aria-label", scope === NETWORK ? model.data.name : model.path[scope]);
    this.svg.removeAttribute("aria-labelledby");
    this.stage.replaceChildren(this.svg);
    const prefix = scope === NETWORK ? "" : `${model.path[scope]}.`;
    this.boxes = [];
    for (const box of this.svg.querySelectorAll("[data-path]")) {
      const entries = box.dataset.paths.split(" ").map((path) => model.byPath.get(prefix + path)).filter((entry) => entry !== undefined);
      if (entries.length) this.boxes.push(this.box(box, entries));
    }
    this.resize();
    if (keepView) this.apply();
    else this.fit();
    if (held) this.focus();
  }

  box(element, entries) {
    const { model } = this.app;
    const [first] = entries;
    const opens = model.opens(first);
    element.setAttribute("role", "button");
    element.setAttribute("tabindex", "-1");
    if (opens) element.classList.add("opens");
    element.setAttribute("aria-description", opens ? `${model.call(first).kind}, Enter opens it` : model.path[first]);
    element.addEventListener("focus", () => this.focused(element, first));
    element.addEventListener("pointerenter", (event) => this.app.tip.show(first, event));
    element.addEventListener("pointermove", (event) => this.held?.moved || this.app.tip.show(first, event));
    element.addEventListener("pointerleave", () => this.app.tip.hide());
    return { element, entries, first, last: entries[entries.length - 1], opens };
  }

  /** Shapes at the size of the slider, and what no longer runs. */
  resize() {
    const { app } = this;
    const { model, size, scope } = app;
    const prefix = scope === NETWORK ? "" : `${model.path[scope]}.`;
    for (const { element, entries, last } of this.boxes) {
      const states = new Set(entries.map((entry) => model.state(entry, size)));
      const state = states.has("stops") ? "stops" : states.has("missing") ? "missing" : "runs";
      element.classList.toggle("stops", state === "stops");
      element.classList.toggle("missing", state === "missing");
      const shape = state === "runs" ? forms(model.outputs(last, size)) : state === "stops" ? "stops here" : "—";
      const text = element.querySelector(":scope > .shape");
      if (text) text.textContent = shape;
    }
    for (const label of this.svg.querySelectorAll("[data-from] .label")) {
      const from = model.byPath.get(prefix + label.parentElement.dataset.from);
      if (from === undefined) continue;
      const told = label.textContent.split(", ").map((part) => part.split(" · ")[0]);
      const shapes = told.map((name) => model.named(from, name, size));
      label.textContent = told.map((name, at) => `${name} · ${form(shapes[at])}`).join(", ");
    }
    const shapes = [...model.inputs(scope, size), ...model.outputs(scope, size)];
    for (const [place, text] of this.svg.querySelectorAll(".terminal .shape").entries()) {
      text.textContent = form(shapes[place]);
    }
  }

  /** The boxes that stand for an entry: its own, or one around it, or (of a body without a name) those in it. */
  boxesOf(entry) {
    const { model, scope } = this.app;
    for (let at = entry; at !== NETWORK && at !== scope; at = model.parent[at]) {
      const box = this.boxes.find(({ entries }) => entries.includes(at));
      if (box) return [box];
    }
    return entry === scope ? [] : this.boxes.filter(({ first }) => model.contains(entry, first));
  }

  mark() {
    const chosen = this.boxesOf(this.app.chosen);
    for (const box of this.boxes) {
      box.element.classList.toggle("chosen", chosen.includes(box));
      box.element.setAttribute("aria-pressed", String(chosen.includes(box)));
      box.element.setAttribute("tabindex", box === (chosen[0] ?? this.boxes[0]) ? "0" : "-1");
    }
    if (chosen.length) this.reveal(chosen[0].element);
  }

  crumbs() {
    const { app } = this;
    const { model, scope } = app;
    const way = [];
    for (let at = scope; at !== NETWORK; at = model.home(at)) way.unshift(at);
    way.unshift(NETWORK);
    const items = way.map((entry, at) => {
      const name = entry === NETWORK ? model.data.name : model.within(entry, way[at - 1]);
      const here = at === way.length - 1;
      const go = el("button", { type: "button", "aria-current": here ? "page" : null, disabled: here, onclick: () => app.find(entry, way[at + 1]) }, name);
      return el("li", {}, go);
    });
    byId("crumbs").replaceChildren(...items);
  }

  /** Put the focus on the chosen box, or on the first one; nothing is chosen by that. */
  focus() {
    this.settling = true;
    (this.boxesOf(this.app.chosen)[0] ?? this.boxes[0])?.element.focus({ preventScroll: true });
    this.settling = false;
  }

  focused(element, entry) {
    const shown = this.boxesOf(this.app.chosen);
    if (!this.settling && !shown.some((box) => box.element === element)) this.app.choose(entry);
    this.reveal(element);
  }

  act(box) {
    if (box.opens) this.app.open(box.first);
    else this.app.choose(box.first);
  }

  key(event) {
    const box = this.boxes.find(({ element }) => element === event.target);
    if (!box || event.altKey || event.ctrlKey || event.metaKey) return;
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (ways[event.key]) this.neighbour(box, ways[event.key])?.element.focus({ preventScroll: true });
    else if (event.key === "Home") this.boxes[0].element.focus({ preventScroll: true });
    else if (event.key === "End") this.boxes[this.boxes.length - 1].element.focus({ preventScroll: true });
    else if (event.key === "Enter" || event.key === " ") this.act(box);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** The nearest box that way; up and down go on with the order of running where a column ends. */
  neighbour(box, [dx, dy]) {
    const middle = ({ element }) => {
      const { left, top, width, height } = element.getBoundingClientRect();
      return [left + width / 2, top + height / 2];
    };
    const [x, y] = middle(box);
    let nearest = null;
    let least = Infinity;
    for (const other of this.boxes) {
      const [ox, oy] = middle(other);
      const along = (ox - x) * dx + (oy - y) * dy;
      const across = Math.abs((ox - x) * dy) + Math.abs((oy - y) * dx);
      if (other === box || along < 2 || across > 2 * along + 4) continue;
      const distance = along + 2 * across;
      if (distance < least) [nearest, least] = [other, distance];
    }
    return nearest ?? (dy ? this.boxes[this.boxes.indexOf(box) + dy] : null);
  }

  // Moving about

  apply() {
    const { x, y, scale } = this.view;
    this.stage.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
  }

  get extent() {
    return { width: this.svg.width.baseVal.value, height: this.svg.height.baseVal.value };
  }

  /** The whole picture, and little larger than it is made. */
  fit() {
    if (!this.svg) return;
    const { clientWidth, clientHeight } = this.canvas;
    const { width, height } = this.extent;
    const scale = clamp(Math.min(clientWidth / width, clientHeight / height), FARTHEST, 1.15);
    const x = Math.max(0, (clientWidth - width * scale) / 2);
    const y = Math.max(0, (clientHeight - height * scale) / 2);
    this.view = { x, y, scale };
    this.untouched = true;
    this.apply();
  }

  zoom(by, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const { view } = this;
    const scale = clamp(view.scale * by, FARTHEST, CLOSEST);
    const real = scale / view.scale;
    this.view = { x: x - (x - view.x) * real, y: y - (y - view.y) * real, scale };
    this.untouched = false;
    this.apply();
  }

  pan(dx, dy) {
    const { width, height } = this.extent;
    const { scale } = this.view;
    const keep = 80; // so much of the picture stays in sight
    this.view.x = clamp(this.view.x + dx, keep - width * scale, this.canvas.clientWidth - keep);
    this.view.y = clamp(this.view.y + dy, keep - height * scale, this.canvas.clientHeight - keep);
    this.untouched = false;
    this.apply();
  }

  wheel(event) {
    event.preventDefault();
    const { left, top } = this.canvas.getBoundingClientRect();
    if (event.ctrlKey || event.metaKey) this.zoom(Math.exp(-event.deltaY / 200), event.clientX - left, event.clientY - top);
    else this.pan(-event.deltaX, -event.deltaY);
  }

  grab(event) {
    if (event.button !== 0) return;
    this.held = { x: event.clientX, y: event.clientY, moved: false, id: event.pointerId };
  }

  move(event) {
    const { held } = this;
    if (!held) return;
    const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
    if (!held.moved && Math.hypot(dx, dy) < 5) return;
    if (!held.moved) this.canvas.setPointerCapture(held.id);
    Object.assign(held, { x: event.clientX, y: event.clientY, moved: true });
    this.app.tip.hide();
    this.pan(dx, dy);
  }

  drop(event) {
    const { held } = this;
    this.held = null;
    if (!held || held.moved) return;
    const element = event.target.closest?.("[data-path]");
    const box = this.boxes.find((one) => one.element === element);
    this.app.tip.hide();
    if (!box) return this.app.choose(this.app.scope);
    box.element.focus({ preventScroll: true });
    this.act(box);
  }

  /** Bring a box into sight, if it is out of it. */
  reveal(element) {
    const box = element.getBoundingClientRect();
    const sight = this.canvas.getBoundingClientRect();
    const room = 24;
    const past = (near, far, least, most) => (near < least + room ? least + room - near : Math.min(0, most - room - far));
    const dx = past(box.left, box.right, sight.left, sight.right);
    const dy = past(box.top, box.bottom, sight.top, sight.bottom);
    if (dx || dy) this.pan(dx, dy);
  }
}
