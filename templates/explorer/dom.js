/** Elements made without a parser: what a spec holds can only become text. */
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const byId = (id) => document.getElementById(id);
const clamp = (value, least, most) => Math.max(least, Math.min(most, value));

/** Figures as people read them. */
const form = (shape) => (shape ? shape.join("×") : "—");

/** Several shapes: alike ones once, with their count; of many the first and how many more there are. */
function forms(shapes, most = 4) {
  const texts = shapes.map(form);
  if (texts.length > 1 && new Set(texts).size === 1) return `${texts.length} of ${texts[0]}`;
  if (texts.length > most + 1) texts.splice(most, Infinity, `${texts.length - most} more`);
  return texts.join(", ");
}
const exactly = (count) => Math.round(count).toLocaleString("en-US");

function roughly(count, step = 1000, units = ["", " k", " M", " G", " T"]) {
  let power = 0;
  while (power < units.length - 1 && count >= step ** (power + 1)) power++;
  const value = count / step ** power;
  return `${power ? value.toPrecision(value < 999.5 ? 3 : 4) : count}${units[power]}`;
}

const bytesOf = (count) => roughly(count, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);

function share(part, whole) {
  if (!part || !whole) return "";
  const percent = (100 * part) / whole;
  return percent < 0.1 ? "< 0.1 %" : `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
}

/** A list of any length of which only the rows in sight exist. `render(index)` makes a row; a head stays above. */
class VirtualList {
  constructor(viewport, rowHeight, render, head = 0) {
    this.viewport = viewport;
    this.rowHeight = rowHeight;
    this.render = render;
    this.head = head;
    this.count = 0;
    this.space = el("div", { class: "space", role: "presentation" });
    viewport.append(this.space);
    viewport.addEventListener("scroll", () => this.refresh(), { passive: true });
    new ResizeObserver(() => this.refresh()).observe(viewport);
  }

  show(count) {
    this.count = count;
    this.space.style.height = `${count * this.rowHeight}px`;
    this.refresh();
  }

  refresh() {
    const { scrollTop, clientHeight } = this.viewport;
    const first = Math.max(0, Math.floor((scrollTop - this.head) / this.rowHeight) - 8);
    const last = Math.min(this.count, Math.ceil((scrollTop + clientHeight) / this.rowHeight) + 8);
    const rows = [];
    for (let index = first; index < last; index++) {
      const row = this.render(index);
      row.style.top = `${index * this.rowHeight}px`;
      rows.push(row);
    }
    this.space.replaceChildren(...rows);
  }

  /** Bring a row into sight; `calm`: only if it is out of sight. */
  reveal(index, calm = true) {
    const { scrollTop } = this.viewport;
    const room = this.viewport.clientHeight - this.head;
    const top = index * this.rowHeight;
    if (calm && top >= scrollTop && top + this.rowHeight <= scrollTop + room) return;
    if (!calm) this.viewport.scrollTop = top - room / 3;
    else this.viewport.scrollTop = top > scrollTop ? top - room + 2 * this.rowHeight : top - this.rowHeight;
    this.refresh();
  }

  /** How many rows a page has. */
  get page() {
    return Math.max(1, Math.floor((this.viewport.clientHeight - this.head) / this.rowHeight) - 1);
  }
}

/** New content for an element; a button in it that had the focus gives it to the one that takes its place. */
function refill(element, ...children) {
  const at = [...element.querySelectorAll("button")].indexOf(document.activeElement);
  element.replaceChildren(...children);
  if (at >= 0) element.querySelectorAll("button")[at]?.focus();
}

/** Where a key leads in a list of `count`, from `at`; null for other keys. */
function step(key, at, count, page) {
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: count - 1 }[key];
  return to === undefined || !count ? null : clamp(to, 0, count - 1);
}
