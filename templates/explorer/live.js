/** Where `archc view` serves the page: look again whenever the spec has changed. */
class Live {
  constructor(app) {
    this.app = app;
    this.version = app.state.version;
    const events = new EventSource("events");
    events.addEventListener("message", (event) => this.told(Number(event.data)));
    events.addEventListener("error", () => document.body.classList.add("offline"));
    events.addEventListener("open", () => document.body.classList.remove("offline"));
  }

  async told(version) {
    if (version === this.version) return;
    this.version = version;
    const answer = await fetch("state");
    const state = await answer.json();
    if (state.version === this.version) this.app.load(state);
  }
}
