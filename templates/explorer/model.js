/**
 * An architecture as the page knows it: archc's figures, unpacked. Entries (layers, blocks, nested bodies) are
 * numbers, in the order of running; NETWORK stands for the whole. Sizes are positions on the slider.
 */
const NETWORK = -1;

class Model {
  constructor(data) {
    const { columns } = data;
    this.data = data;
    this.count = columns.name.length;
    this.name = columns.name;
    this.parent = columns.parent;
    this.training = columns.training;
    this.sizes = data.sizes.heights.length;
    this.declared = data.sizes.declared;
    this.curves = data.curves.map(unpack);
    this.stopAt = unpack(data.sizes.stops);
    this.headStopAt = unpack(data.sizes.heads);
    this.inside = [[]]; // children by entry + 1
    this.path = [];
    this.byPath = new Map([["", NETWORK]]);
    for (let entry = 0; entry < this.count; entry++) {
      const parent = this.parent[entry];
      this.inside.push([]);
      this.inside[parent + 1].push(entry);
      this.path.push(parent === NETWORK ? this.name[entry] : `${this.path[parent]}.${this.name[entry]}`);
      this.byPath.set(this.path[entry], entry);
    }
    this.parameters = this.sums(columns.parameters);
    this.layerCount = this.sums(columns.name.map((_, entry) => Number(this.isLayer(entry))));
    this.figures = null; // of the size that was asked for last
  }

  children(entry) {
    return this.inside[entry + 1];
  }

  call(entry) {
    return this.data.calls[this.data.columns.call[entry]];
  }

  isLayer(entry) {
    return entry !== NETWORK && this.call(entry).form === "layer";
  }

  /** Whether it has a drawing of its own: the network and its blocks, unless there are too many. */
  opens(entry) {
    return entry === NETWORK || this.data.columns.drawing[entry] >= 0;
  }

  /** The entries around one, from the network inwards, itself last. */
  around(entry) {
    const found = [];
    for (let at = entry; at !== NETWORK; at = this.parent[at]) found.unshift(at);
    return found;
  }

  contains(outer, entry) {
    return outer === NETWORK || this.around(entry).includes(outer);
  }

  /** The block (or the network) that an entry stands in; bodies without a name of their own are no places. */
  home(entry) {
    let at = this.parent[entry];
    while (at !== NETWORK && this.call(at).form === "body") at = this.parent[at];
    return at;
  }

  /** What stands in a block, as its drawing shows it: layers and blocks, those of bodies without a name among them. */
  items(scope) {
    const found = [];
    const visit = (entry) => (this.call(entry).form === "body" ? this.children(entry).forEach(visit) : found.push(entry));
    this.children(scope).forEach(visit);
    return found;
  }

  /** The path of an entry as it is told within a block. */
  within(entry, scope) {
    return scope === NETWORK ? this.path[entry] : this.path[entry].slice(this.path[scope].length + 1);
  }

  /** All layers below an entry, in the order of running. */
  layers(entry) {
    const found = [];
    const visit = (inner) => (this.isLayer(inner) ? found.push(inner) : this.children(inner).forEach(visit));
    visit(entry);
    return found;
  }

  /** A figure of each layer, summed up for the entries around it; the network itself has its sum at NETWORK. */
  sums(values) {
    const total = Float64Array.from(values);
    let whole = 0;
    for (let entry = this.count - 1; entry >= 0; entry--) {
      const parent = this.parent[entry];
      if (parent !== NETWORK) total[parent] += total[entry];
      else if (!this.training[entry]) whole += total[entry];
    }
    return { of: (entry) => (entry === NETWORK ? whole : total[entry]) };
  }

  figure(packed, size) {
    return packed ? packed[0] * this.curves[packed[1]][size] : 0;
  }

  /** Whether its output is a memory of its own; a view and what works in place share their input's. */
  makesMemory(entry) {
    return this.isLayer(entry) && !this.call(entry).shares;
  }

  /** Multiply-adds and bytes of activations (float32, one image) at a size, by entry. */
  at(size) {
    if (this.figures?.size !== size) {
      const { macs, outputs } = this.data.columns;
      const bytes = outputs.map((shapes, entry) => (this.makesMemory(entry) ? 4 * this.volume(shapes, size) : 0));
      this.figures = {
        size,
        macs: this.sums(macs.map((packed) => this.figure(packed, size))),
        bytes: this.sums(bytes),
      };
    }
    return this.figures;
  }

  volume(shapes, size) {
    return shapes.reduce((sum, shape) => sum + (this.shape(shape, size) ?? [0]).reduce((a, b) => a * b, 1), 0);
  }

  /** A shape at a size; null where it does not come to be. */
  shape(number, size) {
    const axes = this.data.shapes[number].map((packed) => this.figure(packed, size));
    return axes.length && axes.every(Boolean) ? axes : null;
  }

  /** The shapes of all inputs: a join has several, and so may a block and the network. */
  inputs(entry, size) {
    const shapes = entry === NETWORK ? this.data.inputs : this.data.columns.inputs[entry];
    return shapes.map((shape) => this.shape(shape, size));
  }

  /** The shapes of all outputs, in their order. */
  outputs(entry, size) {
    const shapes = entry === NETWORK ? Object.values(this.data.results) : this.data.columns.outputs[entry];
    return shapes.map((shape) => this.shape(shape, size));
  }

  /** The shape of the first output. */
  output(entry, size) {
    return this.outputs(entry, size)[0];
  }

  /** The names of the outputs, if there are several. */
  outputNames(entry) {
    if (entry !== NETWORK) return this.data.outputs[entry] ?? [];
    return this.outputs(NETWORK, this.declared).length > 1 ? Object.keys(this.data.results) : [];
  }

  /** The shape of an output by its name. */
  named(entry, name, size) {
    const at = this.outputNames(entry).indexOf(name);
    return at < 0 ? null : this.outputs(entry, size)[at];
  }

  /** All outputs as a text: their shapes, with their names where there are several. */
  told(entry, size) {
    const names = this.outputNames(entry);
    const shapes = this.outputs(entry, size);
    return names.length ? names.map((name, at) => `${name} ${form(shapes[at])}`).join(", ") : forms(shapes);
  }

  imageSize(size) {
    return [this.data.sizes.heights[size], this.data.sizes.widths[size]];
  }

  /** Where and why the network stops at a size; null where it runs. */
  stop(size) {
    return this.data.stops[this.stopAt[size]] ?? null;
  }

  headStop(size) {
    return this.data.stops[this.headStopAt[size]] ?? null;
  }

  /** What becomes of an entry at a size: it runs, it is (or holds) the layer that stops, or it is not reached. */
  state(entry, size) {
    const stops = [this.stop(size), this.headStop(size)].filter(Boolean);
    if (stops.some((stop) => this.contains(entry, stop.entry))) return "stops";
    return this.output(entry, size) ? "runs" : "missing";
  }

  /** [height, width, step down, step across] of what an output sees of the image; null if that is not known. */
  field(entry) {
    const { field, result } = this.data.columns;
    const of = this.isLayer(entry) ? entry : (result[entry] ?? -1);
    return this.data.fields[field[of]] ?? null;
  }

  /** [file, first line, last line] in the spec. */
  spec(entry) {
    return this.data.columns.spec[entry];
  }

  /** { made, run }: [first line, last line] of the constructor and of the call in the source, or null. */
  source(entry) {
    const [made, madeTo, run, runTo] = this.data.columns.source[entry] ?? [0, 0, 0, 0];
    return { made: made ? [made, madeTo] : null, run: run ? [run, runTo] : null };
  }
}

/** `value, how often, …` as a list. */
function unpack(runs) {
  const values = [];
  for (let i = 0; i < runs.length; i += 2) for (let n = runs[i + 1]; n > 0; n--) values.push(runs[i]);
  return values;
}
