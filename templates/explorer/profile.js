/** All layers of the open block in one strip, in the order of running: parameters upwards, multiply-adds downwards. */
class Profile {
  constructor(app) {
    this.app = app;
    this.canvas = el("canvas", { class: "strip-chart", role: "img" });
    this.up = el("span", { class: "up" });
    this.down = el("span", { class: "down" });
    this.root = el("div", { class: "profile" }, this.up, this.canvas, this.down);
    this.canvas.addEventListener("click", (event) => this.pick(event));
    this.canvas.addEventListener("pointermove", (event) => this.app.tip.show(this.entryAt(event), event));
    this.canvas.addEventListener("pointerleave", () => this.app.tip.hide());
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  update() {
    const { model, scope, size } = this.app;
    this.layers = model.layers(scope);
    const { macs } = model.at(size);
    const largest = (of) => this.layers.reduce((most, entry) => (of(entry) > of(most) ? entry : most), this.layers[0]);
    const told = (entry, of, unit) => (of(entry) ? `${unit}: most in ${model.path[entry]}, ${roughly(of(entry))}` : `${unit}: none`);
    this.up.textContent = told(largest(model.parameters.of), model.parameters.of, "▲ parameters");
    this.down.textContent = told(largest(macs.of), macs.of, "▼ multiply-adds");
    this.canvas.setAttribute("aria-label", `${this.up.textContent}; ${this.down.textContent}`);
    this.draw();
  }

  draw() {
    const { model, size, chosen } = this.app;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !this.layers) return;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    const style = getComputedStyle(this.canvas);
    const [line, mark, upwards, downwards] = ["line", "mark", "bar-parameters", "bar-macs"].map((name) => style.getPropertyValue(`--${name}`));
    const { macs } = model.at(size);
    const middle = height / 2;
    const each = width / this.layers.length;
    const gap = each > 4 ? 1 : 0;
    const most = (of) => this.layers.reduce((found, entry) => Math.max(found, of(entry)), 1);
    const [mostUp, mostDown] = [most(model.parameters.of), most(macs.of)];
    for (const [place, entry] of this.layers.entries()) {
      const here = model.contains(chosen, entry) && chosen !== NETWORK && chosen !== this.app.scope;
      const x = place * each;
      if (here) {
        context.fillStyle = mark;
        context.fillRect(x, 0, Math.max(each, 1), height);
      }
      const up = (model.parameters.of(entry) / mostUp) * (middle - 2);
      const down = (macs.of(entry) / mostDown) * (middle - 2);
      context.fillStyle = upwards;
      context.fillRect(x, middle - up, Math.max(each - gap, 0.5), up);
      context.fillStyle = downwards;
      context.fillRect(x, middle + 1, Math.max(each - gap, 0.5), down);
    }
    context.fillStyle = line;
    context.fillRect(0, middle, width, 1);
  }

  entryAt(event) {
    const place = Math.floor((event.offsetX / this.canvas.clientWidth) * this.layers.length);
    return this.layers[clamp(place, 0, this.layers.length - 1)];
  }

  pick(event) {
    if (this.layers.length) this.app.choose(this.entryAt(event));
  }
}
