"use strict";

const { spawn } = require("node:child_process");
const { createInterface } = require("node:readline");

/**
 * `archc view` for one spec: it reads the file again whenever it is saved.
 *
 * `states` is called with each new state of the spec, as the page takes it.
 */
class Explorer {
  constructor(command, file, states) {
    this.states = states;
    this.aborter = new AbortController();
    const [program, ...first] = command;
    this.process = spawn(program, [...first, "view", "--no-open", file], { stdio: ["ignore", "pipe", "pipe"] });
    this.errors = "";
    this.process.stderr.on("data", (data) => (this.errors += data));
    this.url = new Promise((resolve, reject) => {
      createInterface({ input: this.process.stdout }).once("line", resolve);
      this.process.once("error", (error) => reject(new Error(`${program} cannot be started: ${error.message}`)));
      this.process.once("close", (code) => reject(new Error(this.errors.trim() || `archc view ended with ${code}`)));
    });
    this.url.catch(() => this.stop());
  }

  /** The page with the state of now; from then on `states` gets the next ones. */
  async open() {
    const url = await this.url;
    const page = await (await fetch(url, { signal: this.aborter.signal })).text();
    this.follow(url).catch(() => this.stop());
    return page;
  }

  async follow(url) {
    const events = await fetch(new URL("events", url), { signal: this.aborter.signal });
    const decoder = new TextDecoder();
    let text = "";
    let shown = null;
    for await (const chunk of events.body) {
      text += decoder.decode(chunk, { stream: true });
      const lines = text.split("\n");
      text = lines.pop();
      const versions = lines.filter((line) => line.startsWith("data: ")).map((line) => Number(line.slice("data: ".length)));
      if (!versions.length) continue;
      // The first version is that of the page, if it has not changed meanwhile: showing it again does no harm.
      const state = await (await fetch(new URL("state", url), { signal: this.aborter.signal })).json();
      if (state.version !== shown) this.states(state);
      shown = state.version;
    }
  }

  stop() {
    this.aborter.abort();
    this.process.kill();
  }
}

module.exports = { Explorer };
