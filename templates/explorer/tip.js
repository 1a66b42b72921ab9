/** The figures of what the pointer is on. */
class Tip {
  constructor(app) {
    this.app = app;
    this.root = byId("tip");
  }

  show(entry, event) {
    const { model, size } = this.app;
    if (entry === undefined || entry === null) return this.hide();
    if (this.shown !== entry || this.size !== size) {
      this.root.replaceChildren(...this.content(entry, model, size));
      [this.shown, this.size] = [entry, size];
    }
    this.root.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.root;
    const left = event.clientX + 16 + width > window.innerWidth ? event.clientX - width - 12 : event.clientX + 16;
    const top = clamp(event.clientY + 12, 8, window.innerHeight - height - 8);
    this.root.style.transform = `translate(${Math.max(8, left)}px, ${top}px)`;
  }

  content(entry, model, size) {
    const call = model.call(entry);
    const { macs, bytes } = model.at(size);
    const field = model.field(entry);
    const runs = model.state(entry, size) === "runs";
    const output = runs ? model.told(entry, size) : "does not run";
    const rows = [
      ["shape", `${forms(model.inputs(entry, size))} → ${output}`],
      ["parameters", exactly(model.parameters.of(entry))],
      ["multiply-adds", runs ? exactly(macs.of(entry)) : "—"],
      ["receptive field", field ? pair(field[0], field[1]) : "—"],
      ["activations", runs ? bytesOf(bytes.of(entry)) : "—"],
    ];
    const facts = rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
    return [el("strong", {}, model.path[entry]), el("span", { class: "what" }, call.short), el("dl", {}, ...facts)];
  }

  hide() {
    this.root.hidden = true;
    this.shown = null;
  }
}
