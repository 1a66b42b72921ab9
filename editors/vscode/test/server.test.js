"use strict";

// The messages of the extension's own protocol library, with archc's server at the other end.
const assert = require("node:assert/strict");
const { spawn } = require("node:child_process");
const { test } = require("node:test");

let protocol = null;
try {
  protocol = require("vscode-languageserver-protocol/node");
} catch {
  // Without `npm install` there is nothing to test with.
}

const COMMAND = JSON.parse(process.env.ARCHC_COMMAND ?? '["archc"]');
const SPEC = "input: [3, 8, 8]\nlayers:\n  conv: {conv2d: {out_channels: 4, kernel_size: 3}}\n  sum: {add: [conv, conv]}\n";

test("the server answers what VS Code asks", { timeout: 60_000, skip: protocol ? false : "npm install first" }, async (t) => {
  const server = spawn(COMMAND[0], [...COMMAND.slice(1), "lsp"], { stdio: ["pipe", "pipe", "inherit"] });
  const reader = new protocol.StreamMessageReader(server.stdout);
  const connection = protocol.createProtocolConnection(reader, new protocol.StreamMessageWriter(server.stdin));
  t.after(() => server.kill());
  connection.listen();
  const published = [];
  connection.onNotification(protocol.PublishDiagnosticsNotification.type, (params) => published.push(params));
  const { capabilities } = await connection.sendRequest(protocol.InitializeRequest.type, {
    processId: process.pid,
    rootUri: null,
    capabilities: { textDocument: { rename: { prepareSupport: true }, semanticTokens: { requests: { full: true }, tokenTypes: [], tokenModifiers: [], formats: [] } } },
  });
  for (const name of ["hover", "definition", "references", "documentSymbol", "documentFormatting", "foldingRange", "inlayHint", "workspaceSymbol"]) {
    assert.ok(capabilities[`${name}Provider`], name);
  }
  assert.ok(capabilities.renameProvider.prepareProvider);
  connection.sendNotification(protocol.InitializedNotification.type, {});
  const textDocument = { uri: "untitled:Untitled-1" };
  connection.sendNotification(protocol.DidOpenTextDocumentNotification.type, {
    textDocument: { ...textDocument, languageId: "yaml", version: 1, text: SPEC.replace("conv]", "cnov]") },
  });
  const hover = await connection.sendRequest(protocol.HoverRequest.type, { textDocument, position: { line: 2, character: 3 } });
  assert.match(hover.contents.value, /4×6×6/);
  assert.deepEqual(published.at(-1).diagnostics.map(({ code }) => code), ["E0210"]);
  connection.sendNotification(protocol.DidChangeTextDocumentNotification.type, {
    textDocument: { ...textDocument, version: 2 },
    contentChanges: [{ text: SPEC }],
  });
  const rename = { textDocument, position: { line: 3, character: 14 }, newName: "stem" };
  const { changes } = await connection.sendRequest(protocol.RenameRequest.type, rename);
  assert.equal(changes[textDocument.uri].length, 3);
  await assert.rejects(connection.sendRequest(protocol.RenameRequest.type, { ...rename, newName: "sum" }), /appears twice/);
  const tokens = await connection.sendRequest(protocol.SemanticTokensRequest.type, { textDocument });
  assert.equal(tokens.data.length % 5, 0);
  await connection.sendRequest(protocol.ShutdownRequest.type);
  connection.sendNotification(protocol.ExitNotification.type);
  const code = await new Promise((resolve) => server.once("close", resolve));
  assert.equal(code, 0);
});
