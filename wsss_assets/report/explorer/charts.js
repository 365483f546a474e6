// Charts: they draw what they are given and say what was pointed at; they keep no state.
const wsssCharts = (() => {
  "use strict";
  const COLOURS = {
    light: ["#0072b2", "#d55e00", "#007a5a", "#b0478a", "#8a6d00", "#3298dc", "#4a4a4a"],
    dark: ["#4c9be8", "#ff8a3d", "#2bc49a", "#e592c4", "#e6c84a", "#b5e3ff", "#d0d0d0"],
  };
  const DASHES = ["", "7 4", "2 4", "10 3 2 3", "1 3", "12 6"];

  const percent = (value, digits = 2) => (value === null || Number.isNaN(value) ? "–" : (100 * value).toFixed(digits));

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "class") made.className = value;
      else if (value !== null && value !== undefined) made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  function svg(name, attributes = {}, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function steps(low, high) {
    const span = high - low;
    const step = [0.01, 0.02, 0.05, 0.1, 0.2].find((one) => span / one <= 7) || 0.25;
    return { step, low: Math.max(0, Math.floor(low / step) * step), high: Math.min(1, Math.ceil(high / step) * step) };
  }

  /** Colour and dashes of the nth of several sets; where colours run out, dashes go on. */
  function look(number, dark) {
    const colours = dark ? COLOURS.dark : COLOURS.light;
    const dash = Math.floor(number / colours.length);
    return { colour: colours[number % colours.length], dash: DASHES[dash % DASHES.length] };
  }

  /** The look of a pairing where all are shown: colour by activation set, dashes by saliency set. */
  function lookOfBoth({ activation, saliency }, dark) {
    return { colour: look(activation, dark).colour, dash: DASHES[(saliency || 0) % DASHES.length] };
  }

  /** A legend's entry: a stroke and its name. */
  function entry(name, { colour, dash }) {
    const line = svg("svg", { class: "stroke", viewBox: "0 0 28 8", "aria-hidden": "true" });
    line.append(svg("path", { d: "M0 4H28", stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dash }));
    return element("span", {}, line, name);
  }

  function tip(box) {
    const made = element("div", { class: "tip", hidden: "" });
    box.append(made);
    return (words, x, y) => {
      made.hidden = words === null;
      if (words === null) return;
      made.textContent = words;
      const most = box.clientWidth - made.offsetWidth;
      made.style.left = `${Math.max(0, Math.min(most, x + 12))}px`;
      made.style.top = `${Math.max(0, y - made.offsetHeight - 10)}px`;
    };
  }

  /**
   * Tell what is pointed at. Handlers are on the box, which stays, and not on the picture, which
   * every change draws anew; what was pointed at before is told again.
   */
  function listen(box, say, tell) {
    box.onpointermove = (event) => {
      box.wsssPointer = event;
      tell(event, true);
    };
    box.onpointerleave = () => {
      box.wsssPointer = null;
      say(null);
    };
    if (box.wsssPointer) tell(box.wsssPointer, false);
  }

  /** The range of lines and its steps, with some room where all is level. */
  function rangeOf(lines) {
    const known = lines.flatMap((line) => line.values).filter((value) => value !== null);
    let [low, high] = [Math.min(...known, 1), Math.max(...known, 0)];
    if (high - low < 0.04) [low, high] = [Math.max(0, low - 0.02), Math.min(1, high + 0.02)];
    return steps(low, high);
  }

  /** Grid, axes and their words. */
  function drawAxes(root, { width, height, edge, scale, x, y, compact }) {
    for (let value = scale.low; value <= scale.high + 1e-9; value += scale.step) {
      root.append(svg("path", { class: "grid", d: `M${edge.left} ${y(value).toFixed(1)}H${width - edge.right}` }));
      root.append(svg("text", { x: edge.left - 8, y: y(value) + 4, "text-anchor": "end" }, String(Math.round(100 * value))));
    }
    const bottom = height - edge.bottom;
    for (let tenth = 0; tenth <= 10; tenth += compact ? 5 : 2) {
      const place = x((255 * tenth) / 10);
      root.append(svg("path", { class: "axis", d: `M${place} ${bottom}v5` }));
      root.append(svg("text", { x: place, y: bottom + 19, "text-anchor": "middle" }, (tenth / 10).toFixed(1)));
    }
    root.append(svg("path", { class: "axis", d: `M${edge.left} ${bottom}H${width - edge.right}` }));
    if (compact) return;
    root.append(svg("text", { x: width - edge.right, y: height - 4, "text-anchor": "end" }, "activation threshold tau"));
    root.append(svg("text", { x: 2, y: 10 }, "mIoU (%)"));
  }

  function drawLine(line, x, y, chosen) {
    let d = "";
    line.values.forEach((value, k) => {
      if (value !== null) d += `${d === "" || line.values[k - 1] === null ? "M" : "L"}${x(k).toFixed(1)} ${y(value).toFixed(1)}`;
    });
    const kind = line.look === null ? "line context" : "line";
    const { colour, dash } = line.look || { colour: "", dash: "" };
    const path = svg("path", { class: chosen ? `${kind} chosen` : kind, d, "stroke-dasharray": dash });
    if (colour) path.setAttribute("stroke", colour);
    return path;
  }

  /**
   * Lines over tau. `lines`: name, values, look (null: grey, behind the others); `chosen`: number
   * of the bold one, -1: none; `scale`: of the ordinate; `compact`: a small chart among several,
   * without marks but for the recipe's tau.
   */
  function drawCurves(box, { lines, chosen, tau, own, best, plateau, scale, compact, onPick }) {
    const width = Math.max(compact ? 200 : 260, box.clientWidth);
    const height = compact ? Math.round(Math.max(225, width * 0.68)) : Math.round(Math.min(430, Math.max(250, width * 0.62)));
    const edge = compact ? { left: 28, right: 10, top: 8, bottom: 26 } : { left: 34, right: 14, top: 28, bottom: 40 };
    const x = (k) => edge.left + (k / 255) * (width - edge.left - edge.right);
    const y = (value) => edge.top + ((scale.high - value) / (scale.high - scale.low)) * (height - edge.top - edge.bottom);
    const bottom = height - edge.bottom;
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, "aria-hidden": "true" });
    drawAxes(root, { width, height, edge, scale, x, y, compact });
    const main = lines[chosen];
    if (!compact) root.append(svg("rect", { class: "plateau", x: x(plateau[0]), y: edge.top, width: Math.max(2, x(plateau[1]) - x(plateau[0])), height: bottom - edge.top, fill: main.look.colour }));
    root.append(svg("path", { class: "own", d: `M${x(own).toFixed(1)} ${edge.top}V${bottom}` }));
    const depth = (index) => (index === chosen ? 2 : Number(lines[index].look !== null));
    const order = lines.map((_, index) => index).sort((one, other) => depth(one) - depth(other));
    root.append(...order.map((index) => drawLine(lines[index], x, y, index === chosen)));
    if (!compact && main.values[best] !== null) root.append(svg("circle", { cx: x(best), cy: y(main.values[best]), r: 4.5, fill: main.look.colour }));
    if (!compact && main.values[tau] !== null) root.append(svg("circle", { class: "now", cx: x(tau), cy: y(main.values[tau]), r: 6 }));
    box.replaceChildren(root);
    const say = tip(box);
    const words = (line, k) => `${line.name}: tau ${(k / 255).toFixed(3)}, mIoU ${percent(line.values[k])}`;
    const nearest = (event) => {
      const area = root.getBoundingClientRect();
      const ratio = width / area.width;
      const k = Math.round(((event.clientX - area.left) * ratio - edge.left) / (width - edge.left - edge.right) * 255);
      const within = Math.max(0, Math.min(255, k));
      const down = (event.clientY - area.top) * ratio;
      let [line, least] = [Math.max(0, chosen), Infinity];
      lines.forEach((one, index) => {
        const away = one.values[within] === null ? Infinity : Math.abs(y(one.values[within]) - down);
        if (away < least) [line, least] = [index, away];
      });
      return { k: within, line, left: x(within) / ratio, top: y(lines[line].values[within]) / ratio };
    };
    listen(box, say, (event) => {
      const at = nearest(event);
      say(words(lines[at.line], at.k), at.left, at.top);
    });
    box.onpointerdown = (event) => {
      const at = nearest(event);
      onPick(at.line, at.k);
    };
    box.onblur = () => say(null);
    if (!compact && box.matches(":focus-visible") && main.values[tau] !== null) say(words(main, tau), x(tau), y(main.values[tau]));
  }

  /** The 256 × 256 picture, made once for each surface. */
  function paintSurface(values, heat) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    const canvas = element("canvas", { width: 256, height: 256, "aria-hidden": "true" });
    const context = canvas.getContext("2d");
    const picture = context.createImageData(256, 256);
    for (let row = 0; row < 256; row += 1) {
      for (let k = 0; k < 256; k += 1) {
        const value = values[256 * row + k];
        if (Number.isNaN(value)) continue;
        const level = Math.round((255 * (value - low)) / (high - low || 1));
        const place = 4 * (256 * (255 - row) + k);
        picture.data.set(heat.subarray(3 * level, 3 * level + 3), place);
        picture.data[place + 3] = 255;
      }
    }
    context.putImageData(picture, 0, 0);
    return { canvas, low, high };
  }

  function cross(x, y, kind) {
    const d = `M${x - 5} ${y}h10M${x} ${y - 5}v10`;
    return kind === "own" ? [svg("path", { class: "halo", d }), svg("path", { class: "white", d })] : [];
  }

  function ring(x, y, radius) {
    return [svg("circle", { class: "halo", cx: x, cy: y, r: radius }), svg("circle", { class: "white", cx: x, cy: y, r: radius })];
  }

  function drawSurface(box, { painted, values, row, tau, own, best, heat, onPick }) {
    const map = element("div", { class: "surface-map" });
    const marks = svg("svg", { viewBox: "0 0 256 256", "aria-hidden": "true" });
    const place = ([j, k]) => [k + 0.5, 255.5 - j];
    marks.append(...cross(...place(own), "own"));
    const [bx, by] = place(best);
    marks.append(svg("rect", { class: "halo", x: bx - 4, y: by - 4, width: 8, height: 8 }), svg("rect", { class: "white", x: bx - 4, y: by - 4, width: 8, height: 8 }));
    marks.append(...ring(...place([row, tau]), 6));
    map.append(painted.canvas, marks);
    for (let fifth = 0; fifth <= 5; fifth += 1) {
      const text = (fifth / 5).toFixed(1);
      const below = element("span", { class: "axis-tick" }, text);
      below.style.cssText = `left:${20 * fifth}%;top:calc(100% + 6px);transform:translateX(-50%)`;
      const beside = element("span", { class: "axis-tick" }, text);
      beside.style.cssText = `right:calc(100% + 6px);bottom:${20 * fifth}%;transform:translateY(50%)`;
      map.append(below, beside);
    }
    const key = element("canvas", { width: 256, height: 1, "aria-hidden": "true" });
    const context = key.getContext("2d");
    const picture = context.createImageData(256, 1);
    for (let level = 0; level < 256; level += 1) {
      picture.data.set(heat.subarray(3 * level, 3 * level + 3), 4 * level);
      picture.data[4 * level + 3] = 255;
    }
    context.putImageData(picture, 0, 0);
    box.replaceChildren(
      element("div", { class: "axis-name" }, "saliency threshold"),
      map,
      element("div", { class: "axis-name x" }, "activation threshold tau"),
      element("div", { class: "key" }, `${percent(painted.low, 1)}`, key, `${percent(painted.high, 1)} %`),
    );
    const say = tip(map);
    const at = (event) => {
      const area = map.getBoundingClientRect();
      const clamp = (share) => Math.max(0, Math.min(255, Math.floor(share * 256)));
      return { k: clamp((event.clientX - area.left) / area.width), j: 255 - clamp((event.clientY - area.top) / area.height), x: event.clientX - area.left, y: event.clientY - area.top };
    };
    const words = (j, k) => `${j === 0 ? "soft saliency" : `saliency > ${(j / 255).toFixed(3)}`}, tau ${(k / 255).toFixed(3)}: mIoU ${percent(values[256 * j + k])}`;
    listen(box, say, (event, moved) => {
      const one = at(event);
      say(words(one.j, one.k), one.x, one.y);
      if (moved && event.buttons === 1) onPick(one.j, one.k);
    });
    box.onpointerdown = (event) => {
      const one = at(event);
      box.setPointerCapture(event.pointerId);
      onPick(one.j, one.k);
    };
    box.onblur = () => say(null);
    if (box.matches(":focus-visible")) say(words(row, tau), (tau / 256) * map.clientWidth, (1 - row / 256) * map.clientHeight);
  }

  return { drawCurves, drawSurface, element, entry, look, lookOfBoth, paintSurface, percent, rangeOf };
})();
