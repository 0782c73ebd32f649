"use strict";
// Niivue with the volumes of this run. One volume is shown at a time; the crosshair stays.
(async () => {
  const find = (id) => document.getElementById(id), trouble = () => { find("trouble").hidden = false; };
  const WIDTH = 0.4;
  const packed = window.bidsSrVolumes || [];
  const canvas = find("gl");
  if (!window.niivue || !packed.length) { find("lost").hidden = false; return; }
  if (!document.createElement("canvas").getContext("webgl2")) return trouble();

  const viewer = new niivue.Niivue({
    backColor: [0, 0, 0, 1], isNearestInterpolation: true, isRadiologicalConvention: false, logLevel: "error",
    multiplanarForceRender: true, isOrientCube: true, dragAndDropEnabled: false, crosshairWidth: WIDTH, 
    crosshairColor: [0.34, 0.7, 0.91, 0.75], fontColor: [0.9, 0.91, 0.92, 1],
    isColorbar: false, loadingText: "", show3Dcrosshair: true,
  });
  viewer.onLocationChange = (where) => {
    const [x, y, z] = [...where.mm].map((mm) => mm.toFixed(1));
    const value = where.values.length ? where.values[0].value : NaN;
    find("told").textContent = "x " + x + ", y " + y + ", z " + z + " mm: " + Number(value.toPrecision(3));
  };
  await viewer.attachToCanvas(canvas);
  const volumes = await Promise.all(packed.map((one) =>
    niivue.NVImage.loadFromBase64({ base64: one.base64, name: one.label + ".nii.gz" })));

  let shown = -1;
  const buttons = packed.map((one, number) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = one.label;
    button.addEventListener("click", () => choose(number));
    find("volumes").append(button);
    return button;
  });
  const press = (list, chosen) => list.forEach((one) => one.setAttribute("aria-pressed", String(one === chosen)));

  function choose(number) {
    const at = shown < 0 ? null : viewer.frac2mm(viewer.scene.crosshairPos);  // the volumes' extents differ by at most a voxel
    shown = number;
    viewer.volumes = [volumes[number]];
    viewer.setVolume(volumes[number], 0);
    window_();
    if (at) viewer.scene.crosshairPos = viewer.mm2frac([at[0], at[1], at[2]]);
    viewer.createOnLocationChange();
    viewer.drawScene();
    press(buttons, buttons[number]);
    find("note").textContent = packed[number].note;
  }
  function window_() {
    const volume = volumes[shown];
    volume.cal_min = 0;
    volume.cal_max = volume.global_max * Number(find("white").value) / 100;
    viewer.updateGLVolume();
  }

  const views = [...find("views").children];
  views.forEach((button) => button.addEventListener("click", () => {
    viewer.setSliceType(Number(button.dataset.view));
    press(views, button);
  }));
  find("smooth").addEventListener("change", (event) => viewer.setInterpolation(!event.target.checked));
  find("hair").addEventListener("change", (event) => viewer.setCrosshairWidth(event.target.checked ? WIDTH : 0));
  find("white").addEventListener("input", window_);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
    if (event.key === "v") { event.preventDefault(); event.stopPropagation(); choose((shown + 1) % volumes.length); }
  }, true);

  viewer.setMultiplanarLayout(2);  // two by two
  viewer.setSliceType(3);
  choose(Math.min(1, volumes.length - 1));
  document.body.dataset.ready = "yes";
})().catch((error) => { document.getElementById("trouble").hidden = false; console.error(error); });
