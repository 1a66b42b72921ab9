"use strict";

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");
const { Client } = require("./client");

let client = null;

async function activate(context) {
  client = new Client(vscode, LanguageClient);
  await client.start(context);
}

async function deactivate() {
  await client?.stop();
}

module.exports = { activate, deactivate };
