// The table: only the rows in view, and a few around them, are in the page.
(() => {
  const box = document.getElementById("rows"), pad = document.getElementById("pad");
  const table = document.getElementById("table"), body = table.tBodies[0];
  const WHOLE = 120, AROUND = 8;  // up to so many rows all are there, so that a browser's search works
  let shown = group.columns.filter((column) => column.default);
  let key = "", down = false, order = [], kept = [], height = 34, current = -1, all = false;

  const make = (tag, text, ...classes) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    element.className = classes.filter(Boolean).join(" ");
    return element;
  };
  const isNumber = (column) => column.number ??=
    group.runs.some((_, run) => typeof column.at(run) === "number")
    && !group.runs.some((_, run) => typeof column.at(run) === "string");

  const sort = () => {
    const column = group.column(key);
    order = group.sorted(column ? column.at : (run) => group.runs[run], down);
    choose();
  };
  const choose = () => {
    kept = order.filter((run) => group.wanted[run]);
    if (!kept.includes(current)) current = kept[0] ?? -1;
    table.setAttribute("aria-rowcount", kept.length + 1);
    body.replaceChildren();
    draw();
  };

  const width = (column) => {
    // a heading may take two lines; words are bold, with a sign before them
    const words = column.label.split(" ").map((word) => word.length);
    const half = (words.reduce((a, b) => a + b + 1) + 3) / 2;
    const heading = Math.max(half, column.unit.length, ...words.map((word) => word + 1.5));
    let longest = 0;
    for (let run = 0; run < group.runs.length; run++)
      longest = Math.max(longest, group.text(column, run).length);
    const cell = column.words ? (Math.min(longest, 44) + 2) * 0.63 : Math.min(longest, 44) * 0.56;
    return Math.max(heading * 0.58, cell) + 1.5;
  };
  const head = () => {
    const row = make("tr");
    const first = { key: "", label: "Run", unit: "", meaning: "Name of the output" };
    const longest = Math.max(...group.runs.map((run) => run.length));
    const widths = [Math.min(longest, 40) * 0.56 + 2];
    for (const column of [first, ...shown]) {
      const cell = make("th", undefined, column.key && isNumber(column) && "number");
      const button = make("button", column.label);
      button.type = "button";
      button.dataset.key = column.key;
      button.append(make("i"), make("span", column.unit));
      cell.scope = "col";
      cell.title = column.meaning;
      if (column.key === key) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      button.addEventListener("click", () => {
        down = key === column.key && !down;
        key = column.key;
        for (const other of row.cells) other.removeAttribute("aria-sort");
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort();
      });
      cell.append(button);
      row.append(cell);
      if (column.key) widths.push(width(column));
    }
    const group_of = make("colgroup");
    widths.forEach((em) => { group_of.append(make("col")); group_of.lastChild.style.width = em + "em"; });
    table.querySelector("colgroup")?.remove();
    table.prepend(group_of);
    table.tHead.replaceChildren(row);
    body.replaceChildren();
    table.style.width = widths.reduce((a, b) => a + b) + "em";
    table.setAttribute("aria-colcount", shown.length + 1);
  };

  const build = (run) => {
    const row = make("tr", undefined, run === group.marked && "marked");
    row.run = run;
    row.dataset.run = group.runs[run];
    const first = make("th");
    const handle = group.links[run] ? make("a", group.runs[run]) : first;
    if (group.links[run]) { handle.href = group.links[run]; first.append(handle); }
    else first.textContent = group.runs[run];
    first.scope = "row";
    first.title = group.runs[run];
    handle.tabIndex = run === current ? 0 : -1;
    row.append(first);
    for (const column of shown) {
      const text = group.text(column, run);
      const tone = column.words && Object.hasOwn(group.tones, text) && group.tones[text];
      const cell = make("td", text || "\u2013", !text && "unknown", tone, isNumber(column) && "number");
      if (text.length > 40) cell.title = text;
      row.append(cell);
    }
    return row;
  };

  const draw = () => {
    const whole = all || kept.length <= WHOLE;
    const from = whole ? 0 : Math.max(0, Math.floor(box.scrollTop / height) - AROUND);
    const to = whole ? kept.length
      : Math.min(kept.length, Math.ceil((box.scrollTop + box.clientHeight) / height) + AROUND);
    const wanted = new Set(kept.slice(from, to));
    for (const row of [...body.rows]) {
      if (wanted.has(row.run)) continue;
      if (row.contains(document.activeElement)) box.focus({ preventScroll: true });
      row.remove();
    }
    let at = body.firstChild;
    for (let place = from; place < to; place++) {
      if (at && at.run === kept[place]) { at = at.nextSibling; continue; }
      const row = build(kept[place]);
      row.setAttribute("aria-rowindex", place + 2);
      body.insertBefore(row, at);
    }
    pad.style.paddingTop = from * height + "px";
    pad.style.paddingBottom = (kept.length - to) * height + "px";
  };
  const measure = () => {
    const real = body.rows[0]?.getBoundingClientRect().height;
    if (real && Math.abs(real - height) > 0.01) { height = real; draw(); }
  };

  let waiting = false;
  box.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  });
  new ResizeObserver(() => { draw(); measure(); }).observe(box);
  addEventListener("beforeprint", () => { all = true; draw(); });
  addEventListener("afterprint", () => { all = false; draw(); });

  const handle_of = (row) => row.querySelector("a") ?? row.cells[0];
  const go = (place) => {
    const run = kept[Math.min(Math.max(place, 0), kept.length - 1)];
    const top = kept.indexOf(run) * height, view = box.clientHeight - table.tHead.offsetHeight;
    if (top < box.scrollTop) box.scrollTop = top;
    if (top + height > box.scrollTop + view) box.scrollTop = top + height - view;
    current = run;
    draw();
    for (const row of body.rows) handle_of(row).tabIndex = row.run === run ? 0 : -1;
    handle_of([...body.rows].find((row) => row.run === run)).focus({ preventScroll: true });
  };
  box.addEventListener("keydown", (event) => {
    const row = event.target.closest("tbody tr");
    if (!kept.length || event.ctrlKey || event.metaKey || event.altKey) return;
    const place = row ? kept.indexOf(row.run) : event.target === box ? kept.indexOf(current) : NaN;
    const page = Math.max(1, Math.floor(box.clientHeight / height) - 2);
    const step = { ArrowDown: row ? 1 : 0, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (Number.isNaN(place) || !(event.key in step)) return;
    event.preventDefault();
    go(place + step[event.key]);
  });

  const run_of = (event) => event.target.closest("tbody tr")?.run ?? -1;
  body.addEventListener("pointerover", (event) => group.mark(run_of(event)));
  body.addEventListener("pointerleave", () => group.mark(-1));
  body.addEventListener("focusin", (event) => group.mark(run_of(event)));
  body.addEventListener("focusout", () => group.mark(-1));
  group.on("marked", () => {
    for (const row of body.rows) row.classList.toggle("marked", row.run === group.marked);
  });
  group.on("wanted", () => { box.scrollTop = 0; choose(); });

  const chooser = document.getElementById("chooser"), sheet = chooser.lastElementChild;
  const show = (keep) => {
    shown = group.columns.filter(keep);
    sheet.querySelectorAll("input").forEach((input, i) => { input.checked = keep(group.columns[i]); });
    head();
    draw();
  };
  const fill = () => {
    const acts = make("div", undefined, "acts"), names = make("div", undefined, "names");
    for (const [text, keep] of [["Default", (c) => c.default], ["All", () => true], ["None", () => false]]) {
      const button = make("button", text);
      button.type = "button";
      button.addEventListener("click", () => show(keep));
      acts.append(button);
    }
    for (const column of group.columns) {
      const label = make("label"), input = make("input");
      input.type = "checkbox";
      input.checked = shown.includes(column);
      input.addEventListener("change", () => {
        const on = new Set(shown.map((c) => c.key));
        if (input.checked) on.add(column.key); else on.delete(column.key);
        show((c) => on.has(c.key));
      });
      label.title = column.meaning;
      label.append(input, column.label);
      names.append(label);
    }
    sheet.append(acts, names);
  };
  chooser.addEventListener("toggle", () => {
    if (!sheet.firstChild) fill();
    if (chooser.open) sheet.scrollIntoView({ block: "nearest" });
  });
  chooser.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    chooser.open = false;
    chooser.querySelector("summary").focus();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!chooser.contains(event.target)) chooser.open = false;
  });

  box.hidden = false;
  head();
  sort();
  measure();
})();
