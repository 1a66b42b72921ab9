/** Where an editor shows the page: it sends new states and the cursor's line, and is told the line of what is chosen. */
class Editor {
  constructor(app, host) {
    this.app = app;
    this.host = host;
    window.addEventListener("message", (event) => this.told(event.data));
    app.views.push(this);
    host.postMessage({ ready: true });
  }

  told({ state, file, line }) {
    if (state) this.app.load(state);
    else if (this.app.model) this.follow(file, line);
  }

  /** Choose what the cursor is in: the entry that begins last at its line or above it, and does not end before it. */
  follow(file, line) {
    const { model } = this.app;
    const at = model.data.files.findIndex(({ name }) => name.split("/").pop() === file);
    const holds = (entry) => {
      const [where, first, last] = model.spec(entry);
      return where === at && first <= line && line <= last;
    };
    if (at < 0 || (this.app.chosen !== NETWORK && holds(this.app.chosen) && model.spec(this.app.chosen)[1] === line)) return;
    let found = NETWORK;
    for (let entry = 0; entry < model.count; entry++) {
      if (holds(entry) && (found === NETWORK || model.spec(entry)[1] > model.spec(found)[1])) found = entry;
    }
    if (found === NETWORK) return;
    this.following = true;
    this.app.choose(found);
    this.following = false;
  }

  update(changed) {
    const { model, chosen } = this.app;
    if (this.following || changed.has("model") || !changed.has("chosen") || chosen === NETWORK) return;
    const [file, line] = model.spec(chosen);
    this.host.postMessage({ file: model.data.files[file].name.split("/").pop(), line });
  }
}
