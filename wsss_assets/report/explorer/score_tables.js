// Tables of one pairing: IoU by class, kinds of errors, some of the surface.
const wsssTables = (() => {
  "use strict";
  const { element, percent } = wsssCharts;
  const GRID = [0, 26, 51, 77, 102, 128, 153, 179, 204, 230, 255];

  /** A bar that is filled to a share; `mark` (may be null) is a line in it. */
  function bar(share, mark) {
    const fill = element("span");
    fill.style.width = `${100 * (share ?? 0)}%`;
    const made = element("div", { class: "bar" }, fill);
    if (mark !== null) {
      const line = element("i");
      line.style.left = `${100 * mark}%`;
      made.append(line);
    }
    return made;
  }

  /** IoU by class of a pairing; `here(value)` is the one at the sliders, null where not stored. */
  function showClasses(body, { names, pairing, both, here }) {
    const settings = ["own", "best_tau", "best"].slice(0, both ? 3 : 2);
    body.replaceChildren(...pairing.classes.map((value) => {
      const now = here(value);
      const shown = element("data", { value: now === null ? "" : String(now) }, percent(now));
      return element("tr", {}, element("th", { scope: "row" }, names[value]),
        element("td", { class: "bar-cell" }, bar(now, pairing.perClass.own[value])),
        element("td", { class: "here" }, shown),
        ...settings.map((name) => element("td", {}, percent(pairing.perClass[name][value]))));
    }));
  }

  /** What each kind of error costs. */
  function showAnatomy(body, kinds) {
    const most = Math.max(...kinds.map((one) => one.gain ?? 0));
    body.replaceChildren(...kinds.map((one) => element("tr", {},
      element("th", { scope: "row" }, one.name, element("span", { class: "note-cell" }, one.words)),
      element("td", { class: "bar-cell" }, bar(most > 0 ? Math.max(0, one.gain ?? 0) / most : 0, null)),
      element("td", {}, percent(one.share)), element("td", {}, one.gain === null ? "–" : `${one.gain < 0 ? "−" : "+"}${percent(Math.abs(one.gain))}`))));
  }

  /** Some values of the surface, for those who do not see it. */
  function showSurface(table, name, values, rowWords) {
    const head = element("tr", {}, element("th", { scope: "col", class: "words" }, "saliency \\ tau"),
      ...GRID.map((k) => element("th", { scope: "col" }, (k / 255).toFixed(2))));
    const lines = GRID.map((row) => element("tr", {}, element("th", { scope: "row" }, rowWords(row)),
      ...GRID.map((k) => element("td", {}, percent(values[256 * row + k])))));
    table.replaceChildren(
      element("caption", {}, element("span", {}, `mIoU (%) of ${name} at some of the 65,536 settings`)),
      element("thead", {}, head), element("tbody", {}, ...lines));
  }

  return { showAnatomy, showClasses, showSurface };
})();
