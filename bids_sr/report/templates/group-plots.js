// The plots: the run that is pointed at is marked in all of them, runs that are not wanted fade.
(() => {
  const NEAR = 14, SVG = "http://www.w3.org/2000/svg";
  const tip = document.getElementById("tip");
  const make = (tag, name, parent, before = null) => {
    const element = document.createElementNS(SVG, tag);
    element.setAttribute("class", name);
    parent.insertBefore(element, before);
    return element;
  };

  // the points are drawn in the order of the runs, so those without a point are all there is to know
  const read = (part) => {
    const dots = part.querySelector(".dots"), missing = new Set((part.dataset.missing ?? "").split(" "));
    const runs = group.runs.map((_, run) => run).filter((run) => !missing.has(String(run)));
    const places = dots.getAttribute("d").split("M").slice(1).map((at) => at.split("h")[0]);
    const points = places.map((at, i) => ({ run: runs[i], at, x: +at.split(" ")[0], y: +at.split(" ")[1] }));
    const faded = make("path", "faded", part, dots);
    const here = make("a", "here", part), circle = make("circle", "", here);
    here.setAttribute("tabindex", "-1");
    here.style.display = "none";
    circle.setAttribute("r", 5);
    return {
      part, dots, faded, here, circle, points, column: group.column(part.dataset.key),
      of: new Map(points.map((point) => [point.run, point])),
      outliers: [...part.querySelectorAll("a[data-run]")],
    };
  };

  const plots = [...document.querySelectorAll(".plot")].map((figure) => {
    const svg = figure.querySelector("svg");
    return { figure, svg, strips: null, seen: false, marked: -1, wanted: null };
  });
  const strips = (plot) => plot.strips ??= [...plot.figure.querySelectorAll("g.strip")].map(read);

  const fade = (plot) => {
    const some = group.n < group.runs.length;
    if (!some && !plot.strips) return;
    for (const strip of strips(plot)) {
      const path = (wanted) => strip.points.filter(({ run }) => group.wanted[run] == wanted)
        .map(({ at }) => "M" + at + "h0").join("");
      strip.dots.setAttribute("d", path(1));
      strip.faded.setAttribute("d", some ? path(0) : "");
      for (const a of strip.outliers) a.classList.toggle("away", !group.wanted[a.dataset.run]);
    }
    plot.svg.classList.toggle("chosen", some);
  };
  const mark = (plot) => {
    const run = plot.marked = group.marked;
    if (run < 0 && !plot.strips) return;
    const found = [];
    for (const { of, here, circle } of strips(plot)) {
      const point = of.get(run);
      here.style.display = point ? "" : "none";
      if (!point) continue;
      found.push(point);
      circle.setAttribute("cx", point.x);
      circle.setAttribute("cy", point.y);
      if (group.links[run]) here.setAttribute("href", group.links[run]); else here.removeAttribute("href");
    }
    plot.joined ??= make("path", "joined", plot.svg);
    const joined = found.length === 2 && "paired" in plot.figure.dataset;
    plot.joined.setAttribute("d", joined ? "M" + found.map(({ x, y }) => x + " " + y).join("L") : "");
  };
  const refresh = (plot) => {
    if (plot.version !== version) { plot.version = version; fade(plot); }
    if (plot.marked !== group.marked) mark(plot);
  };
  let version = 0;
  plots.forEach((plot) => { plot.version = 0; });
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const plot = plots.find(({ figure }) => figure === entry.target);
      plot.seen = entry.isIntersecting;
      if (plot.seen) refresh(plot);
    }
  }, { rootMargin: "300px" });
  plots.forEach(({ figure }) => seen.observe(figure));
  const all = () => plots.forEach((plot) => { if (plot.seen) refresh(plot); });
  group.on("marked", all);
  group.on("wanted", () => { version += 1; all(); });
  addEventListener("beforeprint", () => plots.forEach(refresh));

  const told = (plot, run) => {
    const lines = strips(plot).filter(({ of }) => of.has(run)).map(({ part, column }) => {
      const label = part.querySelector(".label").textContent;
      const value = column ? group.text(column, run) : "";
      const unit = column && column.unit ? " " + column.unit : "";
      return (label ? label + ": " : "") + value + unit;
    });
    return [group.runs[run], ...lines].join("\n");
  };
  const point_at = (plot, run, strip) => {
    group.mark(run);
    plot.svg.classList.toggle("pointed", run >= 0);
    tip.hidden = run < 0;
    if (run < 0) return;
    refresh(plot);
    tip.textContent = told(plot, run);
    tip.strip = strip;
    place();
  };
  const place = () => {
    if (tip.hidden) return;
    const spot = tip.strip.circle.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const below = spot.bottom + 8 + size.height < innerHeight;
    tip.style.left = Math.max(8, Math.min(spot.left + 14, innerWidth - size.width - 8)) + "px";
    tip.style.top = (below ? spot.bottom + 8 : spot.top - 8 - size.height) + "px";
  };
  addEventListener("scroll", place, { passive: true });
  const nearest = (plot, event) => {
    const inverse = plot.svg.getScreenCTM().inverse();
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(inverse);
    let best = NEAR, run = -1, where = null;
    for (const strip of strips(plot)) for (const point of strip.points) {
      const far = Math.hypot(point.x - at.x, point.y - at.y) + (group.wanted[point.run] ? 0 : NEAR / 2);
      if (far < best) { best = far; run = point.run; where = strip; }
    }
    return [run, where];
  };

  for (const plot of plots) {
    const { figure, svg } = plot;
    let run = -1;
    const move = (event) => {
      const [found, strip] = nearest(plot, event);
      run = found;
      point_at(plot, run, strip);
    };
    const leave = () => { run = -1; point_at(plot, -1); };
    svg.addEventListener("pointermove", move);
    svg.addEventListener("pointerleave", leave);
    figure.addEventListener("blur", leave);
    svg.addEventListener("click", (event) => {
      if (run >= 0 && group.links[run] && !event.target.closest("a")) location.href = group.links[run];
    });
    figure.addEventListener("keydown", (event) => {
      const strip = strips(plot).at(-1);
      const ranked = strip.points.filter((p) => group.wanted[p.run]).sort((a, b) => b.y - a.y || a.run - b.run);
      const place = ranked.findIndex((point) => point.run === run);
      const to = { ArrowRight: place + 1, ArrowUp: place + 1, ArrowLeft: place < 0 ? ranked.length - 1 : place - 1,
        ArrowDown: place < 0 ? ranked.length - 1 : place - 1, Home: 0, End: ranked.length - 1 };
      if (event.key === "Enter" && run >= 0 && group.links[run]) location.href = group.links[run];
      if (event.key === "Escape") leave();
      if (!(event.key in to) || !ranked.length) return;
      event.preventDefault();
      run = ranked[Math.min(Math.max(to[event.key], 0), ranked.length - 1)].run;
      point_at(plot, run, strip);
    });
  }
})();
