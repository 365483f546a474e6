// Many pairings: who is compared with the chosen one, a matrix of scores, and small charts.
const wsssCompare = (() => {
  "use strict";
  const { drawCurves, element, entry, look, lookOfBoth, percent, rangeOf } = wsssCharts;
  const OTHER = { activation: "saliency", saliency: "activation" };
  const SETTINGS = {
    own: "at the recipe’s thresholds",
    bestTau: "at the best tau of each, at the recipe’s saliency threshold",
    best: "at the best of both thresholds of each",
  };

  const namesOf = (report, kind) => (kind === "activation" ? report.activations : report.saliencies);
  const isGrid = (report) => Math.min(report.activations.length, report.saliencies.length) > 1;

  /** What a chart may compare by: a kind of set that varies, the other being as chosen; or all. */
  function choices(report) {
    if (!isGrid(report)) return [];
    return [["activation", "activation sets with this saliency"], ["saliency", "saliency sets with this activation"], ["all", "all pairings"]];
  }

  /** The look of a pairing's line beside the chosen one; null: grey. */
  function lookBeside(report, pairing, chosen, by, dark) {
    if (by === "all" && isGrid(report)) return lookOfBoth(pairing, dark);
    const varies = by === "all" ? (report.activations.length > 1 ? "activation" : "saliency") : by;
    const other = OTHER[varies];
    return by === "all" || pairing[other] === chosen[other] ? look(pairing[varies] || 0, dark) : null;
  }

  /** Entries of a legend for `by`. */
  function legend(report, by, dark) {
    const of = (kind) => namesOf(report, kind).map((name, index) => entry(name, look(index, dark)));
    if (by !== "all") return [...of(by), entry("other pairings", { colour: "var(--context)", dash: "" })];
    if (!isGrid(report)) {
      const kind = report.activations.length > 1 ? "activation" : "saliency";
      return namesOf(report, kind).length > 1 ? of(kind) : [];
    }
    const dashed = report.saliencies.map((name, index) => entry(name, { colour: "currentColor", dash: lookOfBoth({ activation: 0, saliency: index }, dark).dash }));
    return [...of("activation"), ...dashed];
  }

  /** mIoU of a pairing at one of SETTINGS. */
  function scoreAt(report, pairing, setting) {
    if (setting === "best") return pairing.bestMiou;
    return pairing.curve[setting === "own" ? report.own[1] : pairing.bestTau];
  }

  /** The table of activation × saliency sets, tinted from its lowest to its highest score. */
  function showMatrix(report, setting, chosen) {
    const scores = report.pairings.map((one) => scoreAt(report, one, setting));
    const known = scores.filter((one) => one !== null);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    document.getElementById("matrix-setting").textContent = SETTINGS[setting];
    document.querySelectorAll("#matrix button").forEach((button) => {
      const number = Number(button.dataset.pairing);
      const score = scores[number];
      const share = score === null || high === low ? 0 : (score - low) / (high - low);
      button.textContent = percent(score);
      button.title = report.pairings[number].name;
      button.classList.toggle("top-value", score === high);
      button.setAttribute("aria-pressed", String(number === chosen));
      button.parentNode.style.setProperty("--tint", `${Math.round(42 * share)}%`);
    });
  }

  /** A small chart for each set of one kind, the sets of the other kind in colours. */
  function showPanels(box, report, by, chosen, dark, onPick) {
    const scale = rangeOf(report.pairings.map((one) => ({ values: one.curve })));
    const varies = OTHER[by];
    if (box.dataset.by !== by) {
      box.dataset.by = by;
      box.replaceChildren(...namesOf(report, by).map((name) => element("figure", {}, element("figcaption", {}, name), element("div", { class: "chart" }))));
    }
    namesOf(report, by).forEach((_, index) => {
      const numbers = report.pairings.map((one, number) => number).filter((number) => report.pairings[number][by] === index);
      const lines = numbers.map((number) => ({ name: report.pairings[number].name, values: report.pairings[number].curve, look: look(report.pairings[number][varies], dark) }));
      drawCurves(box.children[index].lastChild, {
        lines, chosen: numbers.indexOf(chosen), own: report.own[1], scale, compact: true,
        onPick: (line, tau) => onPick(numbers[line], tau),
      });
    });
    const words = namesOf(report, varies).map((name, index) => entry(name, look(index, dark)));
    document.getElementById("panels-legend").replaceChildren(...words);
  }

  return { choices, isGrid, legend, lookBeside, showMatrix, showPanels };
})();
