// The page: one state (maps, saliency threshold, tau) drives charts, tables and all images.
(() => {
  "use strict";
  const { element, percent } = wsssCharts;
  const { inflate, inflateFloats } = wsssStore;
  const root = document.documentElement;
  const find = (id) => document.getElementById(id);
  const report = JSON.parse(find("report").textContent);
  const heat = Uint8Array.from(report.heat.match(/../g), (hex) => parseInt(hex, 16));
  const both = report.rows === 256;
  const [ownRow, ownTau] = report.own;
  const calm = matchMedia("(prefers-color-scheme: dark)");
  const load = wsssStore.open(report.data);
  const MANY = 60; // images; of more, those out of sight give their memory back
  root.classList.add("script");

  const state = { pairing: report.leading, row: ownRow, tau: ownTau };
  const view = { by: wsssCompare.isGrid(report) ? "activation" : "all", matrix: "own", panels: "saliency" };
  const surfaces = new Map();
  const classCurves = new Map();
  let cards = [];

  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : calm.matches);
  const rowWords = (row) => (row === 0 ? "soft" : (row / 255).toFixed(3));
  const chosenPairing = () => report.pairings[state.pairing];
  const orNull = (value) => (Number.isNaN(value) ? null : value);

  /** Say what went wrong, where everyone sees it. */
  function trouble(words) {
    find("trouble").hidden = false;
    find("trouble").textContent = words;
  }

  /** Load what the charts and tables of a pairing need. */
  async function prepare(pairing) {
    if (both && !surfaces.has(pairing)) {
      const values = await inflateFloats(await load(`surface-${pairing}`));
      surfaces.set(pairing, { values, painted: wsssCharts.paintSurface(values, heat) });
    }
    if (!classCurves.has(pairing)) classCurves.set(pairing, await inflateFloats(await load(`classes-${pairing}`)));
  }

  /** mIoU over tau of a pairing at a row; null while its surface is not there. */
  function curve(pairing, row) {
    if (row === ownRow) return report.pairings[pairing].curve;
    const held = surfaces.get(pairing);
    return held ? Array.from(held.values.subarray(256 * row, 256 * row + 256), orNull) : null;
  }

  let planned = false;
  /** Change the state; however often that is done, the page is drawn once a frame. */
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
    cards.forEach((card) => card.update(now));
    try {
      await prepare(now.pairing);
    } catch (error) {
      trouble(`Some scores could not be loaded: ${error.message}.`);
    }
    if (now.pairing !== state.pairing) return;
    showMiou();
    showCurves();
    showSurface();
    showClasses();
    showComparison();
    loadAhead();
  }

  function showControls() {
    const pairing = chosenPairing();
    find("pairing").value = String(state.pairing);
    const tau = find("tau");
    tau.value = String(state.tau);
    const isOwn = state.tau === ownTau ? `, the recipe’s ${report.recipe.tau}` : "";
    find("tau-text").replaceChildren(...step(state.tau));
    tau.setAttribute("aria-valuetext", `${(state.tau / 255).toFixed(3)}, ${state.tau} of 255${isOwn}`);
    if (both) {
      const row = find("row");
      row.value = String(state.row);
      find("row-text").replaceChildren(...(state.row === 0 ? ["soft"] : step(state.row)));
      const words = state.row === 0 ? "0, soft saliency" : `${rowWords(state.row)}, ${state.row} of 255`;
      row.setAttribute("aria-valuetext", words + (state.row === ownRow ? ", the recipe’s" : ""));
      ticks("row-ticks", ownRow, pairing.best[0]);
    }
    ticks("tau-ticks", ownTau, pairing.best[1]);
    document.querySelectorAll(".pairing-name").forEach((one) => { one.textContent = pairing.name; });
    document.querySelectorAll("#summary tr[data-pairing]").forEach((line) => {
      const is = Number(line.dataset.pairing) === state.pairing;
      line.classList.toggle("chosen", is);
      line.querySelector(".choose").setAttribute("aria-pressed", String(is));
    });
  }

  /** A threshold, and its byte where there is room. */
  function step(byte) {
    return [(byte / 255).toFixed(3), element("span", { class: "more-words" }, ` (${byte}/255)`)];
  }

  /** Marks below a slider: of the recipe's threshold and of the best. */
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
    const shown = find("miou");
    shown.value = value === null ? "" : String(value);
    shown.dataset.at = `${state.pairing}/${state.row}/${state.tau}`;
    shown.textContent = value === null ? "–" : `${percent(value)} %`;
    const points = value === null ? 0 : 100 * (value - chosenPairing().curve[ownTau]);
    const delta = find("delta");
    delta.className = `delta ${points > 0.005 ? "up" : ""}${points < -0.005 ? "down" : ""}`;
    delta.textContent = Math.abs(points) <= 0.005 ? "±0.00" : `${points > 0 ? "+" : "−"}${Math.abs(points).toFixed(2)}`;
    delta.append(element("span", { class: "more-words" }, " against the recipe"));
    clearTimeout(speaking); // said once the slider rests
    speaking = setTimeout(() => {
      find("live").textContent = `mIoU ${percent(value)} percent at tau ${(state.tau / 255).toFixed(3)}${both ? `, saliency threshold ${rowWords(state.row)}` : ""}`;
    }, 500);
  }

  /** The best tau of a curve and the run within one point of it. */
  function bestOf(values) {
    const known = values.map((one) => (one === null ? -1 : one));
    const best = known.indexOf(Math.max(...known));
    const plateau = [best, best];
    while (plateau[0] > 0 && known[plateau[0] - 1] >= known[best] - 0.01) plateau[0] -= 1;
    while (plateau[1] < 255 && known[plateau[1] + 1] >= known[best] - 0.01) plateau[1] += 1;
    return { best, plateau };
  }

  function showCurves() {
    const pairing = chosenPairing();
    const here = curve(state.pairing, state.row) || pairing.curve;
    const lines = report.pairings.map((one, index) => ({
      name: one.name,
      values: index === state.pairing ? here : one.curve,
      look: wsssCompare.lookBeside(report, one, pairing, view.by, isDark()),
    }));
    const isOwn = state.row === ownRow;
    const { best, plateau } = isOwn ? { best: pairing.bestTau, plateau: pairing.plateau } : bestOf(here);
    wsssCharts.drawCurves(find("curve"), {
      lines, chosen: state.pairing, tau: state.tau, own: ownTau, best, plateau, scale: wsssCharts.rangeOf(lines), compact: false,
      onPick: (line, tau) => set({ pairing: line, tau }),
    });
    const bold = `${pairing.name} in bold${both && !isOwn ? ` at saliency threshold ${rowWords(state.row)}, others at the recipe’s` : ""}`;
    find("curve-note").textContent = `${bold}. Ring: here; dot: best tau; band: within one point of it; dashed: the recipe’s tau.`;
  }

  let tabled = -1;
  function showSurface() {
    if (!surfaces.has(state.pairing)) return;
    const pairing = chosenPairing();
    const { values, painted } = surfaces.get(state.pairing);
    wsssCharts.drawSurface(find("surface"), {
      painted, values, row: state.row, tau: state.tau, own: report.own, best: pairing.best, heat,
      onPick: (row, tau) => set({ row, tau }),
    });
    find("surface-note").textContent = `${pairing.name}. Ring: here; cross: the recipe’s; square: the best, ${percent(pairing.bestMiou)} %. The lowest row is soft saliency.`;
    if (tabled === state.pairing || !find("surface-details").open) return;
    tabled = state.pairing;
    wsssTables.showSurface(find("surface-table"), pairing.name, values, rowWords);
  }

  /** IoU by class at the sliders: stored for every tau at the recipe's saliency threshold. */
  function iouHere(value) {
    const curves = classCurves.get(state.pairing);
    const pairing = chosenPairing();
    if (state.row === ownRow) return curves ? orNull(curves[256 * value + state.tau]) : null;
    const atBest = state.row === pairing.best[0] && state.tau === pairing.best[1];
    return atBest ? pairing.perClass.best[value] : null;
  }

  function showClasses() {
    const pairing = chosenPairing();
    const body = find("class-rows");
    wsssTables.showClasses(body, { names: report.names, pairing, both, here: iouHere });
    body.dataset.at = `${state.pairing}/${state.row}/${state.tau}`;
    find("class-note").hidden = pairing.classes.some((value) => iouHere(value) !== null);
    if (pairing.anatomy) wsssTables.showAnatomy(find("anatomy-rows"), pairing.anatomy);
  }

  let compared = "";
  /** The matrix and the small charts, where what they show has changed. */
  function showComparison() {
    if (!wsssCompare.isGrid(report)) return;
    const box = find("panels");
    const now = [state.pairing, view.matrix, view.panels, isDark(), box.clientWidth].join();
    if (compared === now) return;
    compared = now;
    wsssCompare.showMatrix(report, view.matrix, state.pairing);
    wsssCompare.showPanels(box, report, view.panels, state.pairing, isDark(), (pairing, tau) => set({ pairing, tau }));
  }

  /** Sort a table by the buttons in its heads, and choose a pairing by those in its lines. */
  function setUpSummary(table) {
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
    find("to-own").addEventListener("click", () => set({ row: ownRow, tau: ownTau }));
    find("to-best-tau").addEventListener("click", () => set({ row: ownRow, tau: chosenPairing().bestTau }));
    find("to-best").addEventListener("click", () => set({ row: chosenPairing().best[0], tau: chosenPairing().best[1] }));
    if (!both) {
      ["row-control", "to-best", "surface-panel", "surface-details", "matrix-best"].forEach((id) => { find(id).hidden = true; });
      document.querySelector(".charts").classList.add("single");
    }
    find("surface-details").addEventListener("toggle", () => set({}));
  }

  /** Arrow keys in the charts; with Shift ten steps. */
  function setUpKeys() {
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
  }

  function showLegend() {
    find("curve-legend").replaceChildren(...wsssCompare.legend(report, view.by, isDark()));
  }

  function setUpComparison() {
    const choices = wsssCompare.choices(report);
    find("compare-control").hidden = choices.length === 0;
    find("compare").append(...choices.map(([by, words]) => new Option(words, by)));
    find("compare").addEventListener("change", (event) => {
      view.by = event.target.value;
      showLegend();
      set({});
    });
    for (const name of ["matrix", "panels"]) {
      document.querySelectorAll(`input[name="${name}-show"]`).forEach((input) => {
        input.addEventListener("change", () => {
          view[name] = input.value;
          set({});
        });
      });
    }
    find("comparison").addEventListener("click", (event) => {
      const button = event.target.closest("#matrix button");
      if (button) set({ pairing: Number(button.dataset.pairing) });
    });
  }

  function setUpTheme() {
    const button = find("theme");
    const redraw = () => {
      button.textContent = isDark() ? "Light colours" : "Dark colours";
      showLegend();
      set({});
    };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      redraw();
    });
    calm.addEventListener("change", redraw);
    redraw();
  }

  async function setUpImages() {
    const rule = {
      floors: await inflate(report.rule.floors),
      tauFloors: Uint8Array.from(report.rule.tauFloors),
      ignoreAbove: Uint8Array.from(report.rule.ignoreAbove),
    };
    const colours = wsssImages.tables(report, heat);
    cards = [...document.querySelectorAll("article[data-image]")].map((node) => new wsssImages.Card(node, Number(node.dataset.image), report, rule, load, colours));
    const seen = new IntersectionObserver((entries) => {
      entries.forEach((entry) => {
        const card = cards[Number(entry.target.dataset.image)];
        card.seen = entry.isIntersecting;
        if (card.seen) card.update({ ...state });
        else if (cards.length > MANY) card.rest();
      });
    }, { rootMargin: "250px" });
    cards.forEach((card) => seen.observe(card.node));
    find("error-legend").replaceChildren(...wsssImages.errorLegend());
    document.querySelectorAll('input[name="all-show"]').forEach((input) => {
      input.addEventListener("change", () => cards.forEach((card) => card.setShow(input.value)));
    });
  }

  let aheadOf = -1;
  /** Load the images out of sight, one after the other: paper shows all that are loaded. */
  async function loadAhead() {
    const { pairing } = state;
    if (cards.length > MANY || aheadOf === pairing) return;
    aheadOf = pairing;
    for (const card of cards) {
      await new Promise((done) => { (window.requestIdleCallback || setTimeout)(done); });
      if (state.pairing !== pairing) return;
      if (!card.seen) await card.loadAhead({ ...state });
    }
    root.dataset.loaded = String(pairing);
  }

  /** Before printing: draw what is loaded, and say how much is not. */
  function setUpPaper() {
    addEventListener("beforeprint", () => {
      const drawn = cards.filter((card) => {
        const is = card.drawIfLoaded({ ...state });
        card.node.classList.toggle("off-paper", !is);
        return is;
      }).length;
      find("paper-note").textContent = drawn < cards.length ? `${drawn} of ${cards.length} images are on paper: those that had been loaded.` : "";
    });
  }

  async function start() {
    await setUpImages();
    setUpSummary(document.querySelector("#summary table"));
    setUpControls();
    setUpKeys();
    setUpComparison();
    setUpTheme();
    setUpPaper();
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

  if (wsssStore.isAble()) start().catch((error) => trouble(`This page could not start: ${error.message}.`));
  else {
    root.classList.remove("script");
    trouble("This browser cannot unpack the maps, so thresholds cannot be moved; the tables can be read. Chrome 85, Firefox 113, Safari 16.4 and later ones can.");
  }
})();
