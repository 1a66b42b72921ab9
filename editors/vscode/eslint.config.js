"use strict";

const fs = require("node:fs");
const path = require("node:path");
const js = require("@eslint/js");
const globals = require("globals");

const PAGE = path.resolve(__dirname, "../../templates/explorer");

/** What the scripts of the explorer's page define for each other: they are one script there. */
function shared() {
  const names = fs
    .readdirSync(PAGE)
    .filter((file) => file.endsWith(".js"))
    .flatMap((file) => [...fs.readFileSync(path.join(PAGE, file), "utf8").matchAll(/^(?:class|(?:async )?function|const) (\w+)/gm)]);
  return Object.fromEntries(names.map(([, name]) => [name, "readonly"]));
}

const rules = {
  ...js.configs.recommended.rules,
  eqeqeq: "error",
  "no-implicit-globals": "off",
  "no-redeclare": ["error", { builtinGlobals: false }],
  "no-unused-vars": ["error", { vars: "local" }],
  "no-var": "error",
  "prefer-const": "error",
};

module.exports = [
  { ignores: ["dist/"] },
  {
    files: ["**/*.js"],
    ignores: ["**/templates/explorer/*.js"],
    languageOptions: { sourceType: "commonjs", globals: globals.node },
    rules: { ...rules, "no-unused-vars": "error" },
  },
  {
    files: ["**/templates/explorer/*.js"],
    languageOptions: { sourceType: "script", globals: { ...globals.browser, ...shared() } },
    rules,
  },
];
