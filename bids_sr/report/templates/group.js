"use strict";
// Sort and filter the table; mark a run everywhere it is shown.
(() => {
  const table = document.getElementById("table");
  if (!table) return;
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  const collator = new Intl.Collator(undefined, { numeric: true });

  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.cells[column].dataset.sort;
    const compare = (a, b) => {
      const x = value(a), y = value(b);
      if (x === "" || y === "") return (x === "") - (y === "");  // what is not known comes last
      const numbers = x.trim() !== "" && y.trim() !== "" && isFinite(x) && isFinite(y);
      const order = numbers ? Number(x) - Number(y) : collator.compare(x, y);
      return down ? -order : order;
    };
    body.append(...[...body.rows].sort(compare));
  }));

  const filter = document.getElementById("filter"), count = document.getElementById("count");
  filter.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    let shown = 0;
    for (const row of body.rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = wanted ? shown + " of " + body.rows.length : "";
  });

  const parts = new Map();
  document.querySelectorAll("[data-run]").forEach((part) => {
    const run = part.dataset.run;
    if (!parts.has(run)) parts.set(run, []);
    parts.get(run).push(part);
    const mark = (on) => parts.get(run).forEach((one) => one.classList.toggle("marked", on));
    part.addEventListener("pointerenter", () => mark(true));
    part.addEventListener("pointerleave", () => mark(false));
    part.addEventListener("focusin", () => mark(true));
    part.addEventListener("focusout", () => mark(false));
  });
})();
