"use strict";
// The runs of the page, and what its parts tell each other: which are wanted, which is pointed at.
const group = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const collator = new Intl.Collator(undefined, { numeric: true });
  const told = { wanted: [], marked: [] };
  const tell = (event) => told[event].forEach((hear) => hear());
  const columns = data.columns.map((column) => ({
    ...column, at: column.values ? (run) => column.values[run] : () => column.same,
  }));
  const self = {
    runs: data.runs, links: data.links, tones: data.tones, columns,
    wanted: new Uint8Array(data.runs.length).fill(1), n: data.runs.length, marked: -1,
    on: (event, hear) => told[event].push(hear),
    column: (key) => columns.find((column) => column.key === key),
  };

  self.mark = (run) => {
    if (run === self.marked) return;
    self.marked = run;
    tell("marked");
  };

  // a value as printed, without its unit; "" if it is not known
  self.text = (column, run) => {
    const value = column.at(run);
    if (value === null) return "";
    if (typeof value === "boolean") return value ? "yes" : "no";
    if (typeof value === "string") return value;
    if (column.decimals === null) return String(value);
    const shown = column.percent ? 100 * value : value, unit = column.percent ? " %" : "";
    if (shown && Math.abs(shown) < 0.5 * 10 ** -column.decimals)
      return "< " + (10 ** -column.decimals).toFixed(column.decimals) + unit;
    return (Math.abs(shown) < 1e15 ? shown.toFixed(column.decimals) : shown.toPrecision(6)) + unit;
  };

  // numbers, then words, then what is not known: that comes last in both directions
  self.sorted = (at, down) => {
    const rank = (value) => value === null ? 2 : typeof value === "string" ? 1 : 0;
    const compare = (a, b) => {
      const x = at(a), y = at(b), first = rank(x) - rank(y);
      if (rank(x) === 2 || rank(y) === 2) return first || a - b;
      const order = first || (rank(x) ? collator.compare(x, y) : x - y);
      return (down ? -order : order) || a - b;
    };
    return self.runs.map((_, run) => run).sort(compare);
  };

  const filter = document.getElementById("filter"), reset = document.getElementById("reset");
  const count = document.getElementById("count"), facets = [];
  let hay = null;

  const choose = () => {
    const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    hay ??= self.runs.map((name, run) => [name, ...columns.flatMap((column) =>
      typeof column.at(run) === "string" ? [column.at(run)] : [])].join("\n").toLowerCase());
    const chosen = facets.filter((facet) => facet.select.selectedIndex > 0);
    let kept = 0;
    for (let run = 0; run < self.runs.length; run++) {
      const keep = wanted.every((word) => hay[run].includes(word))
        && chosen.every(({ select, column, values }) =>
          column.at(run) === values[select.selectedIndex - 1]);
      self.wanted[run] = keep;
      kept += keep;
    }
    self.n = kept;
    const all = kept === self.runs.length && !wanted.length && !chosen.length;
    count.textContent = all ? "" : kept + " of " + self.runs.length;
    reset.hidden = all;
    tell("wanted");
  };

  for (const key of ["state", "qc_status", "selfcheck_verdict", "gradients_verdict", "scale_factor", "model"]) {
    const column = self.column(key);
    const tally = new Map();
    for (let run = 0; column && run < self.runs.length; run++)
      tally.set(column.at(run), (tally.get(column.at(run)) ?? 0) + 1);
    const known = tally.size - tally.has(null);  // failed runs have neither factor nor network
    if (tally.size < 2 || tally.size > 30 || (known < 2 && ["scale_factor", "model"].includes(key))) continue;
    const values = [...tally.keys()].sort((a, b) =>
      (a === null) - (b === null) || collator.compare(String(a), String(b)));
    const label = document.createElement("label"), select = document.createElement("select");
    select.dataset.key = key;
    select.append(new Option("all"), ...values.map((value) =>
      new Option((value === null ? "not known" : value) + " (" + tally.get(value) + ")")));
    label.append(column.label + " ", select);
    document.getElementById("facets").append(label);
    facets.push({ select, column, values });
    select.addEventListener("change", choose);
  }
  filter.addEventListener("input", choose);
  reset.addEventListener("click", () => {
    filter.value = "";
    facets.forEach(({ select }) => { select.selectedIndex = 0; });
    choose();
    filter.focus();
  });
  // a browser that goes back fills the fields in again
  addEventListener("pageshow", choose);
  document.getElementById("choice").hidden = false;
  return self;
})();
