const THEME = "archc-theme";

/** The keyboard, the theme, the tabs and the divider. */
class Keys {
  constructor(app) {
    this.app = app;
    document.addEventListener("keydown", (event) => this.key(event));
    byId("theme").addEventListener("click", () => this.theme());
    byId("help").addEventListener("click", () => byId("keys").showModal());
    for (const tab of document.querySelectorAll("[role=tab]")) {
      tab.addEventListener("click", () => app.showTab(tab.getAttribute("aria-controls")));
      tab.addEventListener("keydown", (event) => this.tab(event));
    }
    this.divider();
    this.system = matchMedia("(prefers-color-scheme: dark)");
    this.system.addEventListener("change", () => this.setTheme(null));
    this.setTheme(stored());
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || byId("keys").open) return;
    const typing = event.target.matches?.("input[type=search]");
    if (typing) return;
    const { app } = this;
    const go = {
      "/": () => byId("search").focus(),
      "?": () => byId("keys").showModal(),
      d: () => app.drawing.focus(),
      l: () => (app.showTab("layers"), byId("grid").focus()),
      c: () => app.showCode("spec"),
      i: () => byId("size").focus(),
      t: () => this.theme(),
      "[": () => app.resize(app.size - 1),
      "]": () => app.resize(app.size + 1),
      "+": () => app.drawing.zoom(1.25),
      "=": () => app.drawing.zoom(1.25),
      "-": () => app.drawing.zoom(0.8),
      0: () => app.drawing.fit(),
      Escape: () => app.close(),
    }[event.key];
    if (!go || !app.model) return;
    event.preventDefault();
    go();
  }

  tab(event) {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = [...document.querySelectorAll("[role=tab]")].find((tab) => tab !== event.target);
    this.app.showTab(other.getAttribute("aria-controls"));
    other.focus();
  }

  theme() {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    this.setTheme(next);
    try {
      localStorage.setItem(THEME, next);
    } catch {
      // A page without storage forgets it.
    }
  }

  /** `null` goes by the system's setting. */
  setTheme(theme) {
    document.documentElement.dataset.theme = theme ?? (this.system.matches ? "dark" : "light");
    if (this.app.model) this.app.update("theme");
  }

  /** How much of the width is the drawing's, by pointer or arrow keys. */
  divider() {
    const divider = byId("divider");
    const main = document.querySelector("main");
    const set = (percent) => {
      const width = clamp(percent, 20, 80);
      divider.setAttribute("aria-valuenow", Math.round(width));
      main.style.setProperty("--drawing", `${width}%`);
    };
    divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
    divider.addEventListener("pointermove", (event) => {
      if (divider.hasPointerCapture(event.pointerId)) set((100 * (event.clientX - main.offsetLeft)) / main.clientWidth);
    });
    divider.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -4, ArrowRight: 4 }[event.key];
      if (by) set(Number(divider.getAttribute("aria-valuenow")) + by);
    });
  }
}

function stored() {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null;
  }
}
