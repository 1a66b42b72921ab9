/** The chosen layer in figures, with its line in the spec and in the source. */
class Card {
  constructor(app) {
    this.app = app;
    this.root = byId("card");
  }

  update() {
    const { model, chosen, size } = this.app;
    const figures = model.at(size);
    const state = model.state(chosen, size);
    const runs = state === "runs";
    const parameters = model.parameters.of(chosen);
    const macs = figures.macs.of(chosen);
    const bytes = figures.bytes.of(chosen);
    const field = chosen === NETWORK ? null : model.field(chosen);
    const training = chosen !== NETWORK && model.training[chosen];
    const part = (figure, sums) => (training ? "in training" : share(figure, sums.of(NETWORK)));
    const facts = [
      fact("Output", runs ? model.told(chosen, size) : "does not run", `from ${forms(model.inputs(chosen, size))}`),
      fact("Parameters", roughly(parameters), part(parameters, model.parameters), exactly(parameters)),
      fact("Multiply-adds", runs ? roughly(macs) : "—", runs ? part(macs, figures.macs) : "", runs ? exactly(macs) : ""),
      fact("Activations", runs ? bytesOf(bytes) : "—", "float32, one image", runs ? `${exactly(bytes)} bytes` : ""),
    ];
    if (chosen === NETWORK) {
      const { inference, training } = model.data.memory;
      const title = "Weights and the values that are held at once, for one image at the declared size";
      const at = size === model.declared ? "" : `, at ${form(model.imageSize(model.declared))}`;
      facts.push(fact("Memory", bytesOf(inference), `${bytesOf(training)} to train${at}`, title));
    }
    if (field) facts.push(fact("Receptive field", pair(field[0], field[1]), size === model.declared ? `every ${pair(field[2], field[3])} px` : `at ${form(model.imageSize(model.declared))}`));
    this.root.classList.toggle("off", state !== "runs");
    this.root.replaceChildren(this.heading(chosen), el("dl", { class: "facts" }, ...facts), ...this.places(chosen));
  }

  heading(chosen) {
    const { model } = this.app;
    if (chosen === NETWORK) {
      const settings = Object.entries(model.data.settings).map(([name, value]) => `${name}=${value}`);
      const about = el("p", { class: "call" }, `${model.data.name}(${settings.join(", ")})`);
      return el("header", {}, el("h2", {}, "The whole network"), about);
    }
    const call = model.call(chosen);
    const path = model.path[chosen];
    const cut = path.lastIndexOf(".") + 1;
    const title = el("h2", { title: path }, el("span", { class: "around" }, path.slice(0, cut)), path.slice(cut));
    const open = !model.opens(chosen) || chosen === this.app.scope ? null : el("button", { type: "button", onclick: () => this.app.find(chosen) }, "Open");
    const training = model.training[chosen] ? el("span", { class: "note" }, "training only") : null;
    const what = el("p", { class: "call" }, call.text || `${call.kind} of ${model.layerCount.of(chosen)} layers`);
    return el("header", {}, el("div", { class: "title" }, title, training, open), what);
  }

  places(chosen) {
    if (chosen === NETWORK) return [];
    const { model } = this.app;
    const [file, line] = model.spec(chosen);
    const { made, run } = model.source(chosen);
    const spec = model.data.files[file];
    const found = [this.place(spec.name, line, this.app.code.specText(file, line), "spec")];
    const at = made ?? run;
    if (at) found.push(this.place(model.data.source.name, at[0], this.app.code.sourceText(at[0]), "source"));
    return [el("div", { class: "places" }, ...found)];
  }

  place(name, line, text, pane) {
    const label = `${name}:${line}`;
    const go = () => this.app.showCode(pane);
    return el("button", { type: "button", class: "place", title: `Show ${label}`, onclick: go }, el("span", {}, label), el("code", {}, text.trim()));
  }
}

function fact(name, value, note = "", title = "") {
  return el("div", { title }, el("dt", {}, name), el("dd", {}, value, note ? el("small", {}, note) : null));
}

const pair = (height, width) => (height === width ? `${tidy(height)}` : `${tidy(height)}×${tidy(width)}`);
const tidy = (value) => Number(value.toFixed(2));
