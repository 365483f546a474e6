// The page: one state (maps, saliency threshold, tau) drives the charts and all images.
(() => {
  "use strict";
  const { element, percent } = wsssCharts;
  const root = document.documentElement;
  const find = (id) => document.getElementById(id);
  const report = JSON.parse(find("report").textContent);
  const heat = Uint8Array.from(report.heat.match(/../g), (hex) => parseInt(hex, 16));
  const both = report.rows === 256;
  const calm = matchMedia("(prefers-color-scheme: dark)");
  root.classList.add("script");

  // What is stored beside the page (in scripts) or in it (in elements), by key.
  const waiting = new Map();
  const stored = new Map();
  globalThis.wsssData = (key, value) => waiting.get(key).resolve(value);
  function load(key) {
    if (!stored.has(key)) stored.set(key, report.data === null ? Promise.resolve(inPage(key)) : beside(key));
    return stored.get(key);
  }
  function inPage(key) {
    return JSON.parse(find(`data-${key}`).textContent);
  }
  function beside(key) {
    return new Promise((resolve, reject) => {
      waiting.set(key, { resolve });
      const script = element("script", { src: `${report.data}/${key}.js` });
      script.onerror = () => reject(new Error(`${report.data}/${key}.js is not there`));
      document.head.append(script);
    });
  }

  const state = { pairing: report.leading, row: report.own[0], tau: report.own[1] };
  const surfaces = new Map();
  let rule = null;
  let cards = [];

  async function surface(pairing) {
    if (!surfaces.has(pairing)) {
      const shuffled = await wsssImages.inflate(await load(`surface-${pairing}`));
      const count = shuffled.length / 8;
      const bytes = new Uint8Array(shuffled.length);
      for (let byte = 0; byte < 8; byte += 1) {
        for (let index = 0; index < count; index += 1) bytes[8 * index + byte] = shuffled[byte * count + index];
      }
      const values = new Float64Array(bytes.buffer);
      surfaces.set(pairing, { values, painted: wsssCharts.paintSurface(values, heat) });
    }
    return surfaces.get(pairing);
  }

  /** mIoU over tau of a pairing at a row; null while its surface is not there. */
  function curve(pairing, row) {
    if (row === report.own[0]) return report.pairings[pairing].curve;
    const held = surfaces.get(pairing);
    return held ? Array.from(held.values.subarray(256 * row, 256 * row + 256), (one) => (Number.isNaN(one) ? null : one)) : null;
  }

  const rowWords = (row) => (row === 0 ? "soft" : (row / 255).toFixed(3));
  const chosenPairing = () => report.pairings[state.pairing];

  let planned = false;
  function set(change) {
    Object.assign(state, change);
    if (planned) return;
    planned = true;
    requestAnimationFrame(() => {
      planned = false;
      show();
    });
  }

  async function show() {
    const now = { ...state };
    showControls();
    showClasses();
    cards.forEach((card) => card.update(now));
    if (both && !surfaces.has(now.pairing)) {
      await surface(now.pairing);
      if (now.pairing !== state.pairing) return;
    }
    showMiou();
    showCharts();
  }

  function showControls() {
    const pairing = chosenPairing();
    find("pairing").value = String(state.pairing);
    const tau = find("tau");
    tau.value = String(state.tau);
    const isOwn = state.tau === report.own[1] ? `, the recipe’s ${report.recipe.tau}` : "";
    find("tau-text").textContent = `${(state.tau / 255).toFixed(3)} (${state.tau}/255)`;
    tau.setAttribute("aria-valuetext", `${(state.tau / 255).toFixed(3)}, ${state.tau} of 255${isOwn}`);
    if (both) {
      const row = find("row");
      row.value = String(state.row);
      find("row-text").textContent = state.row === 0 ? "soft" : `${rowWords(state.row)} (${state.row}/255)`;
      const words = state.row === 0 ? "0, soft saliency" : `${rowWords(state.row)}, ${state.row} of 255`;
      row.setAttribute("aria-valuetext", words + (state.row === report.own[0] ? ", the recipe’s" : ""));
      ticks("row-ticks", report.own[0], pairing.best[0]);
    }
    ticks("tau-ticks", report.own[1], pairing.best[1]);
    document.querySelectorAll(".pairing-name").forEach((one) => { one.textContent = pairing.name; });
    document.querySelectorAll("#summary tbody tr").forEach((line) => {
      const is = Number(line.dataset.pairing) === state.pairing;
      line.classList.toggle("chosen", is);
      line.querySelector(".choose").setAttribute("aria-pressed", String(is));
    });
  }

  function ticks(id, own, best) {
    const mark = (place, kind) => {
      const made = element("span", { class: `tick ${kind}` });
      made.style.left = `${(100 * place) / 255}%`;
      return made;
    };
    find(id).replaceChildren(mark(best, "best"), mark(own, "own"));
  }

  let speaking = 0;
  function showMiou() {
    const values = curve(state.pairing, state.row);
    const value = values === null ? null : values[state.tau];
    const own = chosenPairing().curve[report.own[1]];
    const shown = find("miou");
    shown.value = value === null ? "" : String(value);
    shown.dataset.at = `${state.pairing}/${state.row}/${state.tau}`;
    shown.textContent = value === null ? "–" : `${percent(value)} %`;
    const points = value === null ? 0 : 100 * (value - own);
    const size = Math.abs(points).toFixed(2);
    const delta = find("delta");
    delta.className = `delta ${points > 0.005 ? "up" : ""}${points < -0.005 ? "down" : ""}`;
    delta.textContent = Math.abs(points) <= 0.005 ? "±0.00" : `${points > 0 ? "+" : "−"}${size}`;
    delta.append(element("span", { class: "more-words" }, " against the recipe"));
    clearTimeout(speaking);
    speaking = setTimeout(() => {
      find("live").textContent = `mIoU ${percent(value)} percent at tau ${(state.tau / 255).toFixed(3)}${both ? `, saliency threshold ${rowWords(state.row)}` : ""}`;
    }, 500);
  }

  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : calm.matches);

  function showCharts() {
    const pairing = chosenPairing();
    const oneActivation = report.activations.length === 1;
    const dark = isDark();
    const lines = report.pairings.map((one, index) => ({
      name: one.name,
      values: index === state.pairing ? curve(index, state.row) || one.curve : one.curve,
      look: wsssCharts.look(one, dark, oneActivation),
    }));
    const own = state.row === report.own[0];
    let best = pairing.bestTau;
    let plateau = pairing.plateau;
    if (!own) {
      const main = lines[state.pairing].values.map((one) => (one === null ? -1 : one));
      best = main.indexOf(Math.max(...main));
      plateau = [best, best];
      while (plateau[0] > 0 && main[plateau[0] - 1] >= main[best] - 0.01) plateau[0] -= 1;
      while (plateau[1] < 255 && main[plateau[1] + 1] >= main[best] - 0.01) plateau[1] += 1;
    }
    wsssCharts.drawCurves(find("curve"), {
      lines, chosen: state.pairing, tau: state.tau, own: report.own[1], best, plateau,
      onPick: (line, tau) => set({ pairing: line, tau }),
    });
    const at = both ? (own ? `all at the recipe’s saliency threshold` : `${pairing.name} at saliency threshold ${rowWords(state.row)}, others at the recipe’s`) : "all at the recipe’s other settings";
    find("curve-note").textContent = `${pairing.name} in bold, ${at}. Ring: here; dot: best tau; band: within one point of it; dashed: the recipe’s tau.`;
    if (!both) return;
    const { values, painted } = surfaces.get(state.pairing);
    wsssCharts.drawSurface(find("surface"), {
      painted, values, row: state.row, tau: state.tau, own: report.own, best: pairing.best, heat,
      onPick: (row, tau) => set({ row, tau }),
    });
    find("surface-note").textContent = `${pairing.name}. Ring: here; cross: the recipe’s; square: the best, ${percent(values[256 * pairing.best[0] + pairing.best[1]])} %. The lowest row is soft saliency.`;
    surfaceTable(values);
  }

  let tabled = null;
  function surfaceTable(values) {
    if (tabled === state.pairing || !find("surface-details").open) return;
    tabled = state.pairing;
    const grid = [0, 26, 51, 77, 102, 128, 153, 179, 204, 230, 255];
    const head = element("tr", {}, element("th", { scope: "col", class: "words" }, "saliency \\ tau"), ...grid.map((k) => element("th", { scope: "col" }, (k / 255).toFixed(2))));
    const lines = grid.map((row) => element("tr", {}, element("th", { scope: "row" }, rowWords(row)),
      ...grid.map((k) => element("td", {}, percent(values[256 * row + k])))));
    find("surface-table").replaceChildren(
      element("caption", {}, element("span", {}, `mIoU (%) of ${chosenPairing().name} at some of the 65,536 settings`)),
      element("thead", {}, head), element("tbody", {}, ...lines));
  }

  let shownClasses = -1;
  function showClasses() {
    if (shownClasses === state.pairing) return;
    shownClasses = state.pairing;
    const { perClass, anatomy } = chosenPairing();
    const order = perClass.own.map((_, value) => value).filter((value) => perClass.own[value] !== null || perClass.best[value] !== null);
    order.sort((one, other) => (perClass.own[other] ?? -1) - (perClass.own[one] ?? -1) || one - other);
    const lines = order.map((value) => {
      const bar = element("div", { class: "bar" });
      const fill = element("span");
      fill.style.width = `${100 * (perClass.own[value] ?? 0)}%`;
      bar.append(fill);
      if (perClass.best[value] !== null) {
        const mark = element("i");
        mark.style.left = `${100 * perClass.best[value]}%`;
        bar.append(mark);
      }
      return element("tr", {}, element("th", { scope: "row" }, report.names[value]),
        element("td", { class: "bar-cell" }, bar),
        ...["own", "best_tau", "best"].slice(0, both ? 3 : 2).map((name) => element("td", {}, percent(perClass[name][value]))));
    });
    find("class-rows").replaceChildren(...lines);
    if (anatomy) showAnatomy(anatomy);
  }

  function showAnatomy(kinds) {
    const most = Math.max(...kinds.map((one) => one.gain ?? 0));
    find("anatomy-rows").replaceChildren(...kinds.map((one) => {
      const bar = element("div", { class: "bar" });
      const fill = element("span");
      fill.style.width = `${most > 0 ? (100 * Math.max(0, one.gain ?? 0)) / most : 0}%`;
      bar.append(fill);
      return element("tr", {}, element("th", { scope: "row" }, one.name, element("span", { class: "note-cell" }, one.words)),
        element("td", { class: "bar-cell" }, bar), element("td", {}, percent(one.share)), element("td", {}, one.gain === null ? "–" : `+${percent(one.gain)}`));
    }));
  }

  // Sorting the summary: by a button in each header.
  function sortable(table) {
    const body = table.tBodies[0];
    table.querySelectorAll("thead button").forEach((button) => {
      const head = button.closest("th");
      button.addEventListener("click", () => {
        const column = [...head.parentNode.children].indexOf(head);
        const words = head.classList.contains("words");
        const before = head.getAttribute("aria-sort");
        const up = before ? before === "descending" : words;
        head.parentNode.querySelectorAll("th").forEach((one) => one.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const key = (line) => (words ? line.cells[column].dataset.key : Number(line.cells[column].dataset.key));
        const lines = [...body.rows].sort((one, other) => {
          const [left, right] = [key(one), key(other)];
          const sign = left < right ? -1 : Number(left > right);
          return (up ? sign : -sign) || Number(one.dataset.pairing) - Number(other.dataset.pairing);
        });
        body.append(...lines);
      });
    });
    body.addEventListener("click", (event) => {
      const button = event.target.closest(".choose");
      if (button) set({ pairing: Number(button.closest("tr").dataset.pairing) });
    });
  }

  function setUpControls() {
    report.pairings.forEach((one, index) => find("pairing").append(new Option(one.name, String(index))));
    find("pairing").addEventListener("change", (event) => set({ pairing: Number(event.target.value) }));
    find("tau").addEventListener("input", (event) => set({ tau: Number(event.target.value) }));
    find("row").addEventListener("input", (event) => set({ row: Number(event.target.value) }));
    find("to-own").addEventListener("click", () => set({ row: report.own[0], tau: report.own[1] }));
    find("to-best-tau").addEventListener("click", () => set({ row: report.own[0], tau: chosenPairing().bestTau }));
    find("to-best").addEventListener("click", () => set({ row: chosenPairing().best[0], tau: chosenPairing().best[1] }));
    if (!both) {
      find("row-control").hidden = true;
      find("to-best").hidden = true;
      find("surface-panel").hidden = true;
      find("surface-details").hidden = true;
      document.querySelector(".charts").classList.add("single");
    }
    const clamp = (value, most) => Math.max(0, Math.min(most, value));
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [1, 0], ArrowDown: [-1, 0] };
    for (const id of ["curve", "surface"]) {
      find(id).addEventListener("keydown", (event) => {
        const move = moves[event.key];
        if (!move) return;
        event.preventDefault();
        const [up, right] = move;
        const size = event.shiftKey ? 10 : 1;
        const tau = clamp(state.tau + right * size, 255);
        if (id === "surface") set({ tau, row: clamp(state.row + up * size, 255) });
        else set({ tau, pairing: clamp(state.pairing - up, report.pairings.length - 1) });
      });
      find(id).addEventListener("focus", () => set({}));
    }
    find("surface-details").addEventListener("toggle", () => set({}));
  }

  function setUpTheme() {
    const button = find("theme");
    const redraw = () => {
      button.setAttribute("aria-pressed", String(isDark()));
      button.textContent = isDark() ? "Light" : "Dark";
      curveLegend();
      set({});
    };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      redraw();
    });
    calm.addEventListener("change", redraw);
    redraw();
  }

  function curveLegend() {
    const oneActivation = report.activations.length === 1;
    const stroke = (colour, dash) => {
      const line = wsssCharts.svg("svg", { class: "stroke", viewBox: "0 0 28 8", "aria-hidden": "true" });
      line.append(wsssCharts.svg("path", { d: "M0 4H28", stroke: colour, "stroke-width": 2.5, "stroke-dasharray": dash }));
      return line;
    };
    const entries = [];
    const entry = (name, pairing, plain) => {
      const look = wsssCharts.look(pairing, isDark(), oneActivation);
      entries.push(element("span", {}, stroke(plain ? "currentColor" : look.colour, plain || oneActivation ? look.dash : ""), name));
    };
    if (!oneActivation) report.activations.forEach((name, index) => entry(name, { activation: index, saliency: 0 }, false));
    if (report.saliencies.length > 1) report.saliencies.forEach((name, index) => entry(name, { activation: 0, saliency: index }, !oneActivation));
    find("curve-legend").replaceChildren(...entries);
  }

  function setUpImages() {
    const colours = wsssImages.tables(report, heat);
    cards = [...document.querySelectorAll("article[data-image]")].map((node) => new wsssImages.Card(node, Number(node.dataset.image), report, rule, load, colours));
    const seen = new IntersectionObserver((entries) => {
      entries.forEach((entry) => {
        const card = cards.find((one) => one.node === entry.target);
        card.seen = entry.isIntersecting;
        if (card.seen) card.update({ ...state });
      });
    }, { rootMargin: "250px" });
    cards.forEach((card) => seen.observe(card.node));
    find("error-legend").replaceChildren(...wsssImages.errorLegend());
    document.querySelectorAll('input[name="all-show"]').forEach((input) => {
      input.addEventListener("change", () => cards.forEach((card) => card.setShow(input.value)));
    });
  }

  async function start() {
    rule = {
      floors: await wsssImages.inflate(report.rule.floors),
      tauFloors: Uint8Array.from(report.rule.tauFloors),
      ignoreAbove: Uint8Array.from(report.rule.ignoreAbove),
    };
    sortable(document.querySelector("#summary table"));
    setUpControls();
    setUpImages();
    setUpTheme();
    let width = 0;
    new ResizeObserver(() => {
      if (find("curve").clientWidth !== width) {
        width = find("curve").clientWidth;
        set({});
      }
    }).observe(find("curve"));
    await show();
    root.dataset.ready = "";
  }

  start();
})();
