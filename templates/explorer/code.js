/** The spec above and the emitted source below: the chosen layer's lines are marked, and a line leads to its layers. */
const LINE = 19;

class Code {
  constructor(app) {
    this.app = app;
    this.root = byId("code");
    this.file = 0;
    this.spec = new Pane(app, "spec", "yaml");
    this.source = new Pane(app, "source", "python");
    this.root.append(this.spec.root, this.source.root);
  }

  update(changed) {
    const { model, chosen } = this.app;
    if (changed.has("model")) {
      this.file = clamp(this.file, 0, model.data.files.length - 1);
      this.links = model.data.files.map(() => new Map());
      const made = new Map();
      for (let entry = 0; entry < model.count; entry++) {
        const [file, line] = model.spec(entry);
        const inner = model.children(entry).some((child) => model.spec(child)[0] === file && model.spec(child)[1] === line);
        if (!inner) link(this.links[file], line, entry); // else its first entry stands there
        const { made: lines, run } = model.source(entry);
        for (const span of [lines, run]) if (span) link(made, span[0], entry);
      }
      const { name, text } = model.data.source;
      this.source.load([name], 0, text, made);
    }
    if (changed.has("chosen") && chosen !== NETWORK) this.file = model.spec(chosen)[0];
    if (this.root.hidden && !changed.has("model")) return; // what is chosen is marked when the tab is shown
    if (changed.has("model") || this.shown !== this.file) this.show(this.file);
    const around = chosen === NETWORK ? [] : model.around(chosen).slice(0, -1);
    const [file, first, last] = chosen === NETWORK ? [0, 0, 0] : model.spec(chosen);
    this.spec.mark(
      file === this.file && first ? [[first, last]] : [],
      around.map((entry) => model.spec(entry)).filter(([at]) => at === this.file).map(([, line]) => [line, line]),
    );
    const { made, run } = chosen === NETWORK ? {} : model.source(chosen);
    this.source.mark([made, run].filter(Boolean), around.map((entry) => model.source(entry).made).filter(Boolean).map(([line]) => [line, line]));
  }

  show(file) {
    this.file = this.shown = file;
    const { files } = this.app.model.data;
    const names = files.map(({ name }) => name);
    this.spec.load(names, file, files[file].text, this.links[file], (other) => {
      this.show(other);
      this.app.update("file");
    });
  }

  specText(file, line) {
    return this.app.model.data.files[file].text.split("\n", line)[line - 1] ?? "";
  }

  sourceText(line) {
    return this.app.model.data.source.text.split("\n", line)[line - 1] ?? "";
  }
}

function link(links, line, entry) {
  const found = links.get(line);
  if (found) found.push(entry);
  else links.set(line, [entry]);
}

/** One text with its numbered lines. */
class Pane {
  constructor(app, name, language) {
    this.app = app;
    this.name = name;
    this.language = language;
    this.lines = [];
    this.links = new Map();
    this.active = 0;
    this.head = el("header", {});
    const label = name === "spec" ? "Spec" : "Emitted source";
    this.body = el("div", { class: "text", role: "listbox", id: `${name}-text`, tabindex: 0, "aria-label": label, onkeydown: (event) => this.key(event) });
    this.root = el("section", { class: "pane" }, this.head, this.body);
    this.list = new VirtualList(this.body, LINE, (index) => this.line(index + 1));
  }

  load(names, at, text, links, choose) {
    this.lines = text.replace(/\n$/, "").split("\n");
    this.links = links;
    this.opened = this.language === "python" ? docstrings(this.lines) : null;
    const tabs = names.map((name, file) => el("button", { type: "button", "aria-pressed": String(file === at), onclick: () => choose(file) }, name));
    this.uses = el("span", { class: "uses" });
    this.head.replaceChildren(...(names.length > 1 ? tabs : [el("span", { class: "file" }, names[0])]), this.uses);
    const longest = this.lines.reduce((most, line) => Math.max(most, line.length), 0);
    this.list.space.style.minWidth = `calc(${longest}ch + 5.5em)`;
    this.list.show(this.lines.length);
  }

  mark(spans, around) {
    this.spans = spans;
    this.around = around;
    if (spans.length) {
      this.active = spans[0][0];
      this.list.reveal(this.active - 1, this.inSight(spans[0]));
    }
    this.list.refresh();
    this.tellUses();
  }

  inSight([first]) {
    const { scrollTop, clientHeight } = this.body;
    return first * LINE > scrollTop && first * LINE < scrollTop + clientHeight;
  }

  /** A line that stands for many layers tells so, and leads from one to the next. */
  tellUses() {
    const entries = this.spans.length ? (this.links.get(this.spans[0][0]) ?? []) : [];
    const at = entries.indexOf(this.app.chosen);
    if (entries.length < 2 || at < 0) {
      this.uses.replaceChildren();
      return;
    }
    const go = (by, title, text) => el("button", { type: "button", title, "aria-label": title, onclick: () => this.app.choose(entries[(at + by + entries.length) % entries.length]) }, text);
    refill(this.uses, go(-1, "The use before", "‹"), `use ${at + 1} of ${entries.length}`, go(1, "The next use", "›"));
  }

  line(number) {
    const inside = (spans) => spans?.some(([first, last]) => first <= number && number <= last);
    const linked = this.links.has(number);
    const classes = ["line"];
    if (inside(this.spans)) classes.push("chosen");
    else if (inside(this.around)) classes.push("outer");
    if (linked) classes.push("linked");
    if (number === this.active) classes.push("active");
    const text = this.lines[number - 1];
    const tokens = tokenize(text, this.language, this.opened?.[number - 1]);
    const code = el("code", {}, ...tokens.map(([kind, part]) => (kind ? el("span", { class: `t-${kind}` }, part) : part)));
    return el(
      "div",
      { class: classes.join(" "), role: "option", id: `${this.name}-${number}`, "aria-selected": String(classes.includes("chosen")), "aria-label": text.trim() ? null : `${number}, empty line`, "aria-setsize": this.lines.length, "aria-posinset": number, onclick: () => this.pick(number) },
      el("span", { class: "number", "aria-hidden": "true" }, number),
      code,
    );
  }

  /** Of the layers that a line stands for, the one in the open block, or the next one where one is chosen already. */
  pick(number) {
    this.active = number;
    const entries = this.links.get(number);
    if (entries) {
      const { model, chosen, scope } = this.app;
      const near = entries.filter((entry) => model.contains(scope, entry));
      const among = near.length ? near : entries;
      this.app.choose(among[(among.indexOf(chosen) + 1) % among.length]);
    }
    this.list.refresh();
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const to = step(event.key, this.active - 1, this.lines.length, this.list.page);
    if (to !== null) {
      this.active = to + 1;
      this.body.setAttribute("aria-activedescendant", `${this.name}-${this.active}`);
      this.list.reveal(to);
      this.list.refresh();
    } else if (event.key === "Enter") this.pick(this.active);
    else return;
    event.preventDefault();
  }
}

const GRAMMARS = {
  yaml: [
    ["comment", /(?:^|(?<=\s))#.*/y],
    ["string", /"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'/y],
    ["name", /\$\w+|\$\([^)]*\)/y],
    ["key", /[\w.$]+(?=\s*:)/y],
    ["number", /-?\b\d[\d.e-]*\b/y],
    ["", /\w+|\s+|./y],
  ],
  python: [
    ["comment", /#.*/y],
    ["string", /"""|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/y],
    ["keyword", /\b(?:and|as|class|def|elif|else|False|for|from|if|import|in|is|None|not|or|return|self|super|True)\b/y],
    ["key", /\b\w+(?==(?!=))/y],
    ["call", /\b[A-Za-z_]\w*(?=\()/y],
    ["number", /\b\d[\d.e-]*\b/y],
    ["", /\w+|\s+|./y],
  ],
};

/** [kind, text] of a line's parts; `quoted`: the line begins (1) or stands (2) within a docstring. */
function tokenize(text, language, quoted) {
  if (quoted) return [["string", text]];
  const parts = [];
  for (let at = 0; at < text.length; ) {
    for (const [kind, pattern] of GRAMMARS[language]) {
      pattern.lastIndex = at;
      const found = pattern.exec(text);
      if (!found?.[0]) continue;
      parts.push([kind, found[0]]);
      at = pattern.lastIndex;
      break;
    }
  }
  return parts;
}

/** Which lines belong to a text in triple quotes. */
function docstrings(lines) {
  let open = false;
  return lines.map((line) => {
    const marks = line.split('"""').length - 1;
    const inside = open || marks > 0;
    if (marks % 2) open = !open;
    return inside;
  });
}
