"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { test } = require("node:test");
const { Explorer } = require("../src/explorer");
const { isSpec } = require("../src/spec");
const { Client } = require("../src/client");

const COMMAND = JSON.parse(process.env.ARCHC_COMMAND ?? '["archc"]');
const SPEC = "input: [3, 8, 8]\nlayers:\n  conv: {conv2d: {out_channels: 4, kernel_size: 3}}\n  relu: relu\n";

function specFile(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "archc-"));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = path.join(folder, "net.yaml");
  fs.writeFileSync(file, SPEC);
  return file;
}

/** Resolves once a condition holds; the test's own limit ends the wait. */
async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

const LIMIT = { timeout: 60_000 };

test("a spec is known by its keys", () => {
  assert.ok(isSpec(SPEC));
  assert.ok(isSpec("extends: resnet50\n"));
  assert.ok(!isSpec("services:\n  web: {image: nginx}\n"));
});

test("the explorer shows the file, and each state after it", LIMIT, async (t) => {
  const file = specFile(t);
  const states = [];
  const explorer = new Explorer(COMMAND, file, (state) => states.push(state));
  t.after(() => explorer.stop());
  const page = await explorer.open();
  assert.match(page, /<title>Net<\/title>/);
  assert.match(page, /acquireVsCodeApi/);
  fs.writeFileSync(file, SPEC.replace("relu: relu", "relu: rellu"));
  await until(() => states.some((state) => state.problems.length));
  const wrong = states.find((state) => state.problems.length);
  assert.equal(wrong.problems[0].code, "E0204");
  assert.ok(wrong.stale);
  fs.writeFileSync(file, SPEC.replace("relu: relu", "tanh: tanh"));
  await until(() => !states.at(-1).problems.length && states.at(-1).data.columns.name.includes("tanh"));
});

test("an explorer that cannot start says why", LIMIT, async () => {
  await assert.rejects(new Explorer(["/nowhere/archc"], "x.yaml", () => {}).open(), /cannot be started/);
  await assert.rejects(new Explorer([...COMMAND, "--no-such-option"], "x.yaml", () => {}).open(), /archc/);
});

/** An editor that notes what it is asked for. */
function editorOf(file, command = COMMAND) {
  const document = {
    fileName: file,
    languageId: "yaml",
    isUntitled: false,
    lineCount: 5,
    uri: { toString: () => `file://${file}` },
    getText: () => fs.readFileSync(file, "utf8"),
  };
  const editor = { document, viewColumn: 1, selection: { active: { line: 2 } }, revealRange: (range) => (editor.revealed = range.start) };
  const listeners = {};
  const on = (name) => (listener) => ((listeners[name] = listener), { dispose() {} });
  const sent = [];
  const view = {
    webview: { html: "", onDidReceiveMessage: on("message"), postMessage: (message) => sent.push(message) },
    onDidDispose: on("dispose"),
    reveal: () => (view.revealed = true),
    dispose: () => listeners.dispose(),
  };
  const vscode = {
    ViewColumn: { One: 1, Beside: -2 },
    TextEditorRevealType: { InCenterIfOutsideViewport: 2 },
    Range: class { constructor(line, column) { this.start = { line, column }; } },
    Selection: class { constructor(line) { this.active = { line }; } },
    commands: {
      registered: {},
      context: {},
      registerCommand(name, run) { this.registered[name] = run; return { dispose() {} }; },
      executeCommand(name, key, value) { if (name === "setContext") this.context[key] = value; },
    },
    window: {
      activeTextEditor: editor,
      visibleTextEditors: [editor],
      errors: [],
      onDidChangeActiveTextEditor: on("active"),
      onDidChangeTextEditorSelection: on("selection"),
      createWebviewPanel: () => view,
      showTextDocument: async () => editor,
      async showErrorMessage(text) { this.errors.push(text); },
      async showInformationMessage(text) { this.errors.push(text); },
    },
    workspace: {
      getConfiguration: () => ({ get: () => command }),
      onDidChangeTextDocument: on("change"),
      onDidChangeConfiguration: on("configuration"),
    },
  };
  return { vscode, editor, listeners, sent, view };
}

class NoClient {
  static made = [];
  constructor(...given) { this.given = given; NoClient.made.push(this); }
  async start() { this.started = true; }
  async stop() { this.stopped = true; }
}

test("the panel follows the cursor, and a chosen layer shows its line", LIMIT, async (t) => {
  const { vscode, editor, listeners, sent, view } = editorOf(specFile(t));
  const client = new Client(vscode, NoClient);
  const context = { subscriptions: [] };
  await client.start(context);
  assert.ok(NoClient.made.at(-1).started);
  assert.deepEqual(NoClient.made.at(-1).given[2], { command: COMMAND[0], args: [...COMMAND.slice(1), "lsp"] });
  assert.equal(vscode.commands.context["archc.running"], true);
  await vscode.commands.registered["archc.openExplorer"]();
  assert.match(view.webview.html, /<section id="drawing"/);
  assert.deepEqual(sent, []); // the page does not listen yet
  listeners.message({ ready: true });
  assert.deepEqual(sent.filter((message) => message.line), [{ file: "net.yaml", line: 3 }]);
  editor.selection = { active: { line: 3 } };
  listeners.selection({ textEditor: editor });
  listeners.selection({ textEditor: editor });
  assert.deepEqual(sent.filter((message) => message.line).slice(1), [{ file: "net.yaml", line: 4 }]);
  await listeners.message({ file: "net.yaml", line: 2 });
  await until(() => editor.revealed);
  assert.equal(editor.revealed.line, 1);
  await vscode.commands.registered["archc.openExplorer"]();
  assert.ok(view.revealed);
  for (const each of context.subscriptions) each.dispose();
  assert.equal(client.panels.size, 0);
  await client.stop();
  assert.ok(NoClient.made.at(-1).stopped);
});

test("what cannot be started is explained", LIMIT, async (t) => {
  const { vscode } = editorOf(specFile(t), ["/nowhere/archc"]);
  class Broken extends NoClient { async start() { throw new Error("ENOENT"); } }
  const client = new Client(vscode, Broken);
  await client.start({ subscriptions: [] });
  assert.match(vscode.window.errors[0], /cannot be started \(ENOENT\).*pip install 'archc-nn\[lsp\]'/);
  await vscode.commands.registered["archc.openExplorer"]();
  assert.match(vscode.window.errors[1], /the explorer cannot be started/);
  assert.equal(client.panels.size, 0);
});
