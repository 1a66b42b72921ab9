"use strict";

const { Panel } = require("./panel");
const { isSpec } = require("./spec");

const INSTALL = "pip install 'archc-nn[lsp]'";

/** The extension at work, in an editor (`vscode`) and with a client for language servers. */
class Client {
  constructor(vscode, LanguageClient) {
    this.vscode = vscode;
    this.LanguageClient = LanguageClient;
    this.panels = new Map();
  }

  get command() {
    return this.vscode.workspace.getConfiguration("archc").get("command");
  }

  async start(context) {
    const { commands, window, workspace } = this.vscode;
    context.subscriptions.push(
      commands.registerCommand("archc.openExplorer", () => this.openExplorer()),
      commands.registerCommand("archc.restart", () => this.restart()),
      window.onDidChangeActiveTextEditor(() => this.look()),
      window.onDidChangeTextEditorSelection((event) => this.follow(event.textEditor)),
      workspace.onDidChangeTextDocument(() => this.look()),
      workspace.onDidChangeConfiguration((event) => event.affectsConfiguration("archc.command") && this.restart()),
      { dispose: () => this.closeAll() },
    );
    this.look();
    await this.connect();
  }

  async connect() {
    const [command, ...args] = this.command;
    const server = { command, args: [...args, "lsp"] };
    const selector = ["file", "untitled"].map((scheme) => ({ scheme, language: "yaml" }));
    this.client = new this.LanguageClient("archc", "archc", server, { documentSelector: selector });
    try {
      await this.client.start();
    } catch (error) {
      this.client = null;
      await this.failed(`the language server of archc cannot be started (${error.message})`);
    }
  }

  async restart() {
    await this.stop();
    await this.connect();
  }

  async stop() {
    const client = this.client;
    this.client = null;
    await client?.stop();
  }

  async failed(what) {
    const settings = "Open Settings";
    const help = `Install it with ${INSTALL}, or set \`archc.command\`.`;
    const chosen = await this.vscode.window.showErrorMessage(`${what}. ${help}`, settings);
    if (chosen === settings) await this.vscode.commands.executeCommand("workbench.action.openSettings", "archc.command");
  }

  /** Show the explorer's button where a spec is edited. */
  look() {
    const document = this.vscode.window.activeTextEditor?.document;
    const running = document?.languageId === "yaml" && isSpec(document.getText());
    this.vscode.commands.executeCommand("setContext", "archc.running", Boolean(running));
  }

  async openExplorer() {
    const editor = this.vscode.window.activeTextEditor;
    if (editor?.document.languageId !== "yaml" || editor.document.isUntitled) {
      this.vscode.window.showInformationMessage("Open and save a spec first: the explorer shows the file.");
      return;
    }
    const { document } = editor;
    const key = document.uri.toString();
    let panel = this.panels.get(key);
    if (panel) {
      panel.reveal();
      return;
    }
    panel = new Panel(this.vscode, this.command, document, () => this.panels.delete(key));
    this.panels.set(key, panel);
    this.follow(editor);
    try {
      await panel.open();
    } catch (error) {
      await this.failed(`the explorer cannot be started (${error.message})`);
    }
  }

  follow(editor) {
    this.panels.get(editor.document.uri.toString())?.follow(editor.selection.active.line + 1);
  }

  closeAll() {
    for (const panel of [...this.panels.values()]) panel.view.dispose();
  }
}

module.exports = { Client };
