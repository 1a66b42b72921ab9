"use strict";

const path = require("node:path");
const { Explorer } = require("./explorer");

/** The explorer of a spec next to its editor: it follows the cursor, and a chosen layer shows its line. */
class Panel {
  constructor(vscode, command, document, closed) {
    this.vscode = vscode;
    this.document = document;
    this.waiting = []; // messages until the page listens
    this.ready = false;
    const title = `${path.basename(document.fileName)}: explorer`;
    const place = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    const options = { enableScripts: true, retainContextWhenHidden: true, localResourceRoots: [] };
    this.view = vscode.window.createWebviewPanel("archc.explorer", title, place, options);
    this.explorer = new Explorer(command, document.fileName, (state) => this.send({ state }));
    this.view.webview.onDidReceiveMessage((message) => this.told(message));
    this.view.onDidDispose(() => {
      this.explorer.stop();
      closed();
    });
  }

  async open() {
    try {
      this.view.webview.html = await this.explorer.open();
    } catch (error) {
      this.view.dispose();
      throw error;
    }
  }

  reveal() {
    this.view.reveal(undefined, true);
  }

  /** The cursor's line, counted from 1. */
  follow(line) {
    if (line === this.line) return;
    this.line = line;
    this.send({ file: path.basename(this.document.fileName), line });
  }

  send(message) {
    if (this.ready) this.view.webview.postMessage(message);
    else this.waiting.push(message);
  }

  told(message) {
    if (message.ready) {
      this.ready = true;
      for (const waiting of this.waiting.splice(0)) this.send(waiting);
    } else if (message.file === path.basename(this.document.fileName) && Number.isInteger(message.line)) {
      this.show(message.line);
    }
  }

  /** Show a line of the spec in its editor, without taking the focus. */
  async show(line) {
    this.line = line; // the cursor goes there: nothing to follow
    const { Range, Selection, TextEditorRevealType } = this.vscode;
    const column = this.vscode.window.visibleTextEditors.find((editor) => editor.document === this.document)?.viewColumn;
    const options = { viewColumn: column ?? this.vscode.ViewColumn.One, preserveFocus: true };
    const editor = await this.vscode.window.showTextDocument(this.document, options);
    const row = Math.min(line, this.document.lineCount) - 1;
    editor.selection = new Selection(row, 0, row, 0);
    editor.revealRange(new Range(row, 0, row, 0), TextEditorRevealType.InCenterIfOutsideViewport);
  }
}

module.exports = { Panel };
