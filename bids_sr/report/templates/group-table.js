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
    table.setAttribute("aria-rowcount", kept.length + table.tHead.rows.length);
    body.replaceChildren();
    draw();
  };

  // widths are measured, since fonts differ; a heading may take two lines
  const pen = document.createElement("canvas").getContext("2d");
  const PADDING = 19, LEAST = 150, MOST = 420;  // pixels: beside a text, and of a long one
  const ruler = (weight, size) => {
    const { fontFamily, fontSize } = getComputedStyle(table);
    const font = `${weight} ${size * parseFloat(fontSize)}px ${fontFamily}`;
    return (text) => { pen.font = font; return pen.measureText(text).width; };
  };
  // neighbours named "Gain, b0" and "Gain, DWI" stand under one heading, "Gain"
  const split = ({ label }) => {
    const at = label.lastIndexOf(", ");
    return at < 0 ? ["", label] : [label.slice(0, at), label.slice(at + 2)];
  };
  const together = () => {
    const groups = [];
    for (const column of shown) {
      const [over] = split(column), last = groups.at(-1);
      if (over && last?.over === over) last.columns.push(column);
      else groups.push({ over, columns: [column] });
    }
    return groups;
  };
  const width = (column, name) => {
    const of = ruler(500, 13 / 14), words = name.split(" ");
    const lines = words.map((_, i) =>
      Math.max(of(words.slice(0, i).join(" ")), of(words.slice(i).join(" "))));
    const texts = new Set(group.runs.map((_, run) => group.text(column, run)));
    const longest = [...texts].sort((a, b) => b.length - a.length).slice(0, 3);
    const bold = column.words && ruler(600, 1), sign = bold ? bold("\u25B2 ") : 0;
    const cell = Math.max(...longest.map(bold || ruler(400, 1))) + sign;
    const wide = Math.max(Math.min(...lines), of(column.unit), Math.min(cell, MOST));
    return Math.ceil(wide) + PADDING;
  };
  let widths = [];
  // what leads stays in the window: a long text gets what the others leave, but not too little
  const lay = () => {
    const longest = group.runs.reduce((a, b) => b.length > a.length ? b : a);
    const names = ruler(500, 1)(longest) + PADDING;
    const run = Math.min(names, Math.max(LEAST, 0.3 * box.clientWidth));
    const lead = shown.reduce((sum, column, i) => sum + (column.lead ? widths[i] : 0), run);
    const over = Math.max(0, lead + 2 - box.clientWidth);
    const given = widths.map((wide, i) =>
      shown[i].lead && !shown[i].words && wide > LEAST ? Math.max(LEAST, wide - over) : wide);
    const columns = make("colgroup");
    for (const each of [run, ...given]) {
      columns.append(make("col"));
      columns.lastChild.style.width = each + "px";
    }
    table.querySelector("colgroup")?.remove();
    table.prepend(columns);
    table.style.width = given.reduce((a, b) => a + b, run) + "px";
  };
  const heading = (column, name) => {
    const cell = make("th", undefined, column.key && isNumber(column) && "number");
    const button = make("button", name);
    button.type = "button";
    button.dataset.key = column.key;
    button.append(make("i"), make("span", column.unit));
    cell.scope = "col";
    cell.title = column.meaning;
    if (column.key === key) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
    button.addEventListener("click", () => {
      down = key === column.key && !down;
      key = column.key;
      table.tHead.querySelector("[aria-sort]")?.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      sort();
    });
    cell.append(button);
    return cell;
  };
  const head = () => {
    const upper = make("tr"), lower = make("tr"), groups = together();
    upper.append(make("td"));
    lower.append(heading({ key: "", label: "Run", unit: "", meaning: "Name of the output" }, "Run"));
    widths = [];
    for (const { over, columns } of groups) {
      const shared = columns.length > 1, cell = make(shared ? "th" : "td", shared ? over : "");
      cell.colSpan = columns.length;
      if (shared) cell.scope = "colgroup";
      upper.append(cell);
      for (const column of columns) {
        const name = shared ? split(column)[1] : column.label;
        lower.append(heading(column, name));
        widths.push(width(column, name));
      }
    }
    const rows = groups.some(({ columns }) => columns.length > 1) ? [upper, lower] : [lower];
    table.tHead.replaceChildren(...rows);
    lay();
    body.replaceChildren();
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
      if (text.length > 12) cell.title = text;
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
      row.setAttribute("aria-rowindex", place + 1 + table.tHead.rows.length);
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
  new ResizeObserver(() => { lay(); draw(); measure(); }).observe(box);
  // paper is not scrolled: all rows, and the columns that lead
  let usual = shown;
  addEventListener("beforeprint", () => {
    all = true;
    usual = shown;
    shown = shown.filter((column) => column.lead);
    head();
    draw();
  });
  addEventListener("afterprint", () => { all = false; shown = usual; head(); draw(); });

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
