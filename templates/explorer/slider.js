/** The input's size: every shape follows, and the track shows where the network stops being legal. */
class Slider {
  constructor(app) {
    this.app = app;
    this.input = byId("size");
    this.track = byId("legal");
    this.input.addEventListener("input", () => app.resize(Number(this.input.value)));
    byId("declared").addEventListener("click", () => app.resize(app.model.declared));
    byId("smallest").addEventListener("click", () => app.resize(this.smallest()));
    new ResizeObserver(() => this.draw()).observe(this.track);
  }

  /** The smallest legal size of those on offer. */
  smallest() {
    return Math.max(0, this.app.model.stopAt.indexOf(-1));
  }

  update(changed) {
    const { model, size } = this.app;
    if (changed.has("model")) {
      this.input.max = model.sizes - 1;
    }
    if (changed.has("model") || changed.has("theme")) this.draw();
    this.input.value = size;
    const image = [model.data.input[0], ...model.imageSize(size)];
    const stop = model.stop(size);
    const head = model.headStop(size);
    byId("image").textContent = form(image);
    this.input.setAttribute("aria-valuetext", `${form(image)}${stop ? `, stops at ${model.path[stop.entry]}` : ""}`);
    byId("declared").disabled = size === model.declared;
    byId("declared").textContent = `declared ${form(model.imageSize(model.declared))}`;
    byId("smallest").disabled = size === this.smallest();
    byId("smallest").textContent = `smallest ${form(model.imageSize(this.smallest()))}`;
    this.tell(stop ?? head, !stop && head);
  }

  tell(stop, isHead) {
    const { model, size } = this.app;
    const line = byId("status");
    const at = form(model.imageSize(size));
    line.className = stop ? (isHead ? "warns" : "stops") : "";
    if (!stop) {
      line.replaceChildren(`Every layer runs at ${at}. A click or Enter opens a block, `, el("kbd", {}, "?"), " tells the keys.");
      return;
    }
    const path = model.path[stop.entry];
    const go = el("button", { type: "button", class: "link", onclick: () => this.app.choose(stop.entry) }, path);
    const what = isHead ? `At ${at} the network runs, but its training head does not: ` : `At ${at} the network stops at `;
    const help = stop.help ? ` — ${stop.help}` : "";
    line.replaceChildren(what, go, `: ${stop.message}${stop.label ? ` (${stop.label})` : ""}${help}. `, el("span", { class: "code" }, stop.code));
  }

  draw() {
    const { model } = this.app;
    const { clientWidth: width, clientHeight: height } = this.track;
    if (!model || !width) return;
    const ratio = window.devicePixelRatio || 1;
    this.track.width = width * ratio;
    this.track.height = height * ratio;
    const context = this.track.getContext("2d");
    context.scale(ratio, ratio);
    const colour = (name) => getComputedStyle(this.track).getPropertyValue(name);
    const each = width / Math.max(1, model.sizes - 1);
    for (let size = 0; size < model.sizes; size++) {
      const legal = model.stopAt[size] < 0;
      context.fillStyle = colour(legal ? (model.headStopAt[size] < 0 ? "--good" : "--warn") : "--bad");
      context.fillRect((size - 0.5) * each, 0, each + 0.5, height);
    }
  }
}
