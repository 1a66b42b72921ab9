"use strict";

/** What only a spec has at its left edge; the language server decides in the same way. */
const SPEC = /^(?:["']?(?:layers|branches|blocks|extends)["']?\s*:|["']?input["']?\s*:\s*\[|# yaml-language-server:.*archc)/m;

/** Whether a YAML text is a spec of archc. */
function isSpec(text) {
  return SPEC.test(text);
}

module.exports = { isSpec };
