/** The problems of a spec that is being edited, above its last good drawing. */
class Problems {
  constructor() {
    this.root = byId("report");
  }

  show(problems, stale) {
    this.root.hidden = !problems.length;
    document.body.classList.toggle("stale", problems.length > 0 && stale);
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    const kept = stale ? "; the last valid version is shown below" : "";
    this.root.replaceChildren(el("h2", {}, `${count}${kept}`), el("ol", {}, ...problems.map((problem) => this.problem(problem))));
  }

  problem({ code, message, file, line, column, where, help, label, excerpt }) {
    const place = [file, line, column].filter((part) => part !== null && part !== "").join(":");
    const parts = [el("p", {}, el("span", { class: "code" }, code), el("strong", {}, message))];
    if (place) parts.push(el("p", { class: "at" }, place, where.length ? ` · in ${where.join(" → ")}` : ""));
    if (excerpt) {
      const [before, wrong, after] = excerpt;
      parts.push(el("pre", {}, before, el("mark", {}, wrong), after, label ? el("em", {}, `  ${label}`) : null));
    }
    if (help) parts.push(el("p", { class: "help" }, el("b", {}, "help "), help));
    return el("li", {}, ...parts);
  }
}
