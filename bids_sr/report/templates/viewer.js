"use strict";
// Before/after pictures: swap, flicker, wipe, zoom, full window. Without this script both are shown.
(() => {
  const FLICKER_MS = 667, LARGEST = 12;
  let flickering = null;  // one pair at a time

  const dialog = document.createElement("dialog");
  dialog.className = "window";
  dialog.setAttribute("aria-label", "Picture in the full window");
  document.body.append(dialog);

  // Tabs and places of a linked viewer. The view itself - zoom, wipe, flicker - is not touched.
  function link(figure, stage, view) {
    const tabs = [...figure.querySelectorAll("[role=tab]")], pairs = [...stage.querySelectorAll(".pair")];
    const places = [...figure.querySelectorAll("[data-place]")];
    const told = figure.querySelector("figcaption");
    function choose(number) {
      tabs.forEach((tab, i) => {
        tab.setAttribute("aria-selected", String(i === number));
        tab.tabIndex = i === number ? 0 : -1;
        pairs[i].classList.toggle("shown", i === number);
      });
      const { before, after, single } = tabs[number].dataset;
      view.labels(before, after, Boolean(single));
      told.textContent = pairs[number].querySelector(".caption").textContent;
    }
    function go(button) {
      const [x, y, w, h] = button.dataset.place.split(" ").map(Number);
      places.forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
      view.frame({ x, y, w, h }, button === places[0] || button.textContent === "Detail");
    }
    tabs.forEach((tab, i) => {
      tab.addEventListener("click", () => choose(i));
      tab.addEventListener("keydown", (event) => {
        const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        const next = (to + tabs.length) % tabs.length;
        choose(next);
        tabs[next].focus();
      });
    });
    places.forEach((button) => button.addEventListener("click", () => go(button)));
    const turn = (list, now) => list[(list.findIndex(now) + 1) % list.length];
    stage.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "t") choose(tabs.indexOf(turn(tabs, (tab) => tab.tabIndex === 0)));
      if (event.key === "s") go(turn(places, (one) => one.getAttribute("aria-pressed") === "true"));
    });
    choose(0);
  }

  document.querySelectorAll(".viewer").forEach((figure) => {
    const find = (selector) => figure.querySelector(selector);
    const stage = find(".stage"), pair = figure.dataset.kind === "compare";
    const slider = find(".wipe input"), flickerButton = find(".flicker");
    const edge = document.createElement("div");
    const view = { z: 1, x: 0, y: 0, share: 0 };  // share: percent of the width that shows "after"
    const linked = figure.classList.contains("linked");
    const whole = linked ? { w: +figure.dataset.width, h: +figure.dataset.height } : null;
    let frame = linked ? { x: 0, y: 0, ...whole } : null;  // the part of the pictures on the stage
    let timer = 0;

    figure.classList.add("live");
    edge.className = "edge";
    edge.hidden = true;
    if (pair) {
      edge.dataset.left = find(".show-after").textContent;
      edge.dataset.right = find(".show-before").textContent;
      stage.append(edge);
    }
    stage.tabIndex = 0;
    stage.setAttribute("role", "group");
    stage.setAttribute("aria-label", (linked ? "Linked" : find("h4").textContent + ":") + " picture" + (pair ? ", press space to swap" : ""));

    // ---- before or after
    function show(share) {
      view.share = Math.min(100, Math.max(0, share));
      slider.value = String(Math.round(view.share));
      find(".show-before").setAttribute("aria-pressed", String(view.share === 0));
      find(".show-after").setAttribute("aria-pressed", String(view.share === 100));
      edge.hidden = view.share === 0 || view.share === 100;
      place();
      stage.querySelectorAll(".before").forEach((one) => one.setAttribute("aria-hidden", String(view.share === 100)));
      stage.querySelectorAll(".after").forEach((one) => one.setAttribute("aria-hidden", String(view.share === 0)));
    }
    const swap = () => show(view.share >= 50 ? 0 : 100);
    function stop() {
      clearInterval(timer);
      timer = 0;
      if (flickering === stop) flickering = null;
      flickerButton.setAttribute("aria-pressed", "false");
    }
    function flicker() {
      if (timer) return stop();
      if (flickering) flickering();
      flickering = stop;
      flickerButton.setAttribute("aria-pressed", "true");
      swap();
      timer = setInterval(swap, FLICKER_MS);
    }

    // ---- zoom and pan
    function place() {
      const box = stage.getBoundingClientRect();
      view.x = Math.min(0, Math.max(box.width * (1 - view.z), view.x));
      view.y = Math.min(0, Math.max(box.height * (1 - view.z), view.y));
      stage.style.setProperty("--z", view.z);
      stage.style.setProperty("--x", view.x + "px");
      stage.style.setProperty("--y", view.y + "px");
      stage.classList.toggle("near", view.z > 1);
      find(".factor").textContent = (Math.round(view.z * 10) / 10) + "\u00d7";
      if (linked) fit(box);
      if (!pair) return;
      // the picture is moved under the edge, which stays at its share of the window
      const at = (box.width * view.share / 100 - view.x) / view.z;
      const cut = view.share === 0 ? box.width : view.share === 100 ? 0 : box.width - at;
      stage.style.setProperty("--wipe", "inset(0 " + cut + "px 0 0)");
      edge.style.left = view.share + "%";
    }
    function fit(box) {  // the frame fills the stage; the rest is clipped
      const scale = Math.min(box.width / frame.w, box.height / frame.h);
      const set = (name, value) => stage.style.setProperty(name, value + "px");
      set("--left", (box.width - frame.w * scale) / 2 - frame.x * scale);
      set("--top", (box.height - frame.h * scale) / 2 - frame.y * scale);
      set("--wide", whole.w * scale);
      set("--high", whole.h * scale);
      const cut = [frame.y, whole.w - frame.x - frame.w, whole.h - frame.y - frame.h, frame.x];
      stage.style.setProperty("--cut", "inset(" + cut.map((side) => side * scale + "px").join(" ") + ")");
      stage.classList.toggle("blown", scale > 1);
    }
    function zoom(times, clientX, clientY) {
      const box = stage.getBoundingClientRect();
      const px = clientX === undefined ? box.width / 2 : clientX - box.left;
      const py = clientY === undefined ? box.height / 2 : clientY - box.top;
      const z = Math.min(LARGEST, Math.max(1, view.z * times));
      view.x = px - (px - view.x) * z / view.z;
      view.y = py - (py - view.y) * z / view.z;
      view.z = z;
      place();
    }
    function move(dx, dy) { view.x += dx; view.y += dy; place(); }

    // ---- full window
    const inWindow = () => dialog.contains(figure);
    function enlarge() {
      if (inWindow()) return dialog.close();
      const spot = document.createComment("picture"), height = figure.offsetHeight;
      figure.before(spot);
      const holder = document.createElement("div");  // keeps the page from jumping
      holder.style.height = height + "px";
      spot.before(holder);
      dialog.append(figure);
      dialog.showModal();
      find(".enlarge").textContent = "Back to the page";
      dialog.addEventListener("close", () => {
        holder.remove();
        spot.replaceWith(figure);
        find(".enlarge").textContent = "Full window";
        reset();
        find(".enlarge").focus();
      }, { once: true });
      reset();
      stage.focus();
    }
    function reset() { view.z = 1; view.x = 0; view.y = 0; place(); }

    // ---- mouse and keyboard
    let drag = null;
    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      drag = { x: event.clientX, y: event.clientY, moved: false };
      stage.setPointerCapture(event.pointerId);
    });
    stage.addEventListener("pointermove", (event) => {
      if (!drag) return;
      const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
      if (!drag.moved && Math.hypot(dx, dy) < 4) return;
      drag = { x: event.clientX, y: event.clientY, moved: true };
      stage.classList.add("held");
      if (view.z > 1) move(dx, dy);
    });
    const release = (event) => {
      stage.classList.remove("held");
      if (drag && !drag.moved && event.type === "pointerup" && pair) { stop(); swap(); }
      drag = null;
    };
    stage.addEventListener("pointerup", release);
    stage.addEventListener("pointercancel", release);
    stage.addEventListener("wheel", (event) => {
      if (!inWindow() && !event.ctrlKey) return;  // the page scrolls as usual
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX, event.clientY);
    }, { passive: false });
    stage.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const step = 40, keys = {
        "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), "0": reset, "f": enlarge,
      };
      if (pair) keys[" "] = keys["Enter"] = () => { stop(); swap(); };
      if (view.z > 1) Object.assign(keys, {
        ArrowLeft: () => move(step, 0), ArrowRight: () => move(-step, 0),
        ArrowUp: () => move(0, step), ArrowDown: () => move(0, -step),
      });
      if (!keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    });
    find(".zoom-in").addEventListener("click", () => zoom(1.5));
    find(".zoom-out").addEventListener("click", () => zoom(1 / 1.5));
    find(".enlarge").addEventListener("click", enlarge);
    if (linked) link(figure, stage, {
      frame: (chosen, fresh) => {
        frame = chosen;
        stage.style.setProperty("--ratio", frame.w + " / " + frame.h);
        if (fresh) reset(); else place();
      },
      labels: (before, after, single) => {
        find(".show-before").textContent = edge.dataset.right = before;
        find(".show-after").textContent = edge.dataset.left = after;
        slider.setAttribute("aria-label", "Wipe: share of the picture showing " + after);
        figure.classList.toggle("single", single);  // nothing to compare: the controls are disabled
        [find(".show-before"), find(".show-after"), flickerButton, slider].forEach((one) => { one.disabled = single; });
      },
    });
    if (pair) {
      find(".show-before").addEventListener("click", () => { stop(); show(0); });
      find(".show-after").addEventListener("click", () => { stop(); show(100); });
      flickerButton.addEventListener("click", flicker);
      slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
      show(100);
    }
    new ResizeObserver(place).observe(stage);
    place();
  });

  document.addEventListener("visibilitychange", () => { if (document.hidden && flickering) flickering(); });

  // ---- folded sections are opened for printing
  const closed = () => document.querySelectorAll("details:not([open])");
  let opened = [];
  addEventListener("beforeprint", () => { opened = [...closed()]; opened.forEach((one) => { one.open = true; }); });
  addEventListener("afterprint", () => { opened.forEach((one) => { one.open = false; }); opened = []; });

  // ---- the contents list follows scrolling: the last section whose heading has passed the upper third
  const links = [...document.querySelectorAll(".contents a[href^='#']")];
  const spots = links.map((link) => document.getElementById(link.getAttribute("href").slice(1)));
  function follow() {
    let last = -1;
    spots.forEach((spot, i) => { if (spot && spot.getBoundingClientRect().top < innerHeight / 3) last = i; });
    links.forEach((link, i) => { i === last ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current"); });
  }
  addEventListener("scroll", follow, { passive: true });
  follow();

  document.querySelectorAll("button.copy").forEach((button) => {
    const source = document.getElementById(button.dataset.copies);
    const told = button.parentElement.querySelector(".copied");
    button.addEventListener("click", async () => {
      let done = false;
      try {
        await navigator.clipboard.writeText(source.value);
        done = true;
      } catch {  // pages opened from a file may lack permission: fall back to the old way
        source.hidden = false;
        source.select();
        done = document.execCommand("copy");
        source.hidden = done;
      }
      told.textContent = done ? "Copied." : "Select the text below and copy it.";
    });
  });
})();
