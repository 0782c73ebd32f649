"use strict";
// Heat maps read out the cell under the pointer or the cursor; tooltips close on Escape.
(() => {
  document.querySelectorAll("svg.heat").forEach((svg) => {
    const values = JSON.parse(svg.dataset.values), [left, top, wide, high] = JSON.parse(svg.dataset.box);
    const rows = values.length, columns = values[0].length;
    const cursor = svg.querySelector(".cursor"), told = svg.parentElement.querySelector(".readout");
    let at = [0, 0];

    function read(row, column) {
      at = [Math.min(rows - 1, Math.max(0, row)), Math.min(columns - 1, Math.max(0, column))];
      const value = values[at[0]][at[1]];
      const width = wide / columns, height = high / rows;
      Object.entries({ x: left + at[1] * width, y: top + at[0] * height, width, height })
        .forEach(([name, number]) => cursor.setAttribute(name, number));
      told.textContent = svg.dataset.row + " " + at[0] + ", " + svg.dataset.column + " " + at[1] + ": "
        + (value === null ? "no value" : value + " " + svg.dataset.unit);
    }
    function hide() { cursor.setAttribute("width", 0); cursor.setAttribute("height", 0); }

    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
      const x = (event.clientX - box.left) * scale - left, y = (event.clientY - box.top) * scale - top;
      if (x >= 0 && y >= 0 && x < wide && y < high) read(Math.floor(y / high * rows), Math.floor(x / wide * columns));
    });
    svg.addEventListener("pointerleave", () => { if (document.activeElement !== svg) { hide(); told.textContent = ""; } });
    svg.addEventListener("focus", () => read(...at));
    svg.addEventListener("blur", () => { hide(); told.textContent = ""; });
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      read(at[0] + step[0], at[1] + step[1]);
    });
  });

  document.querySelectorAll(".light").forEach((button) => {
    const quiet = (on) => button.classList.toggle("quiet", on);
    button.addEventListener("click", () => { quiet(false); button.focus(); });
    button.addEventListener("keydown", (event) => { if (event.key === "Escape") quiet(true); });
    ["pointerenter", "focus", "blur"].forEach((kind) => button.addEventListener(kind, () => quiet(false)));
  });
})();
