// The rule of wsss_assets.labels.make, on bytes: no DOM, no floats but the scores at the end.
// Python ships the tables (wsss_assets.report.explorer.tables); here integers are compared.
const wsssRule = (() => {
  "use strict";
  const IGNORE = 255;

  /** Which map is largest at each pixel, and how large; the earlier map wins a tie. */
  function strongest(maps, labels, pixels) {
    const winner = new Uint8Array(pixels);
    const score = new Uint8Array(pixels);
    maps.forEach((map, index) => {
      for (let pixel = 0; pixel < pixels; pixel += 1) {
        if (index === 0 || map[pixel] > score[pixel]) {
          score[pixel] = map[pixel];
          winner[pixel] = labels[index];
        }
      }
    });
    return { winner, score };
  }

  /** By saliency byte: the byte above which the strongest class wins. */
  function floors(tables, row, tau) {
    const least = tables.tauFloors[tau];
    return tables.floors.subarray(256 * row, 256 * row + 256).map((one) => Math.max(one, least));
  }

  /** The pseudo-label: 0 background, class index + 1, 255 ignored; `saliency` may be null. */
  function makeLabel(found, saliency, tables, row, tau) {
    const { winner, score } = found;
    const floor = floors(tables, row, tau);
    const ignoreAbove = tables.ignoreAbove[row];
    const label = new Uint8Array(score.length);
    for (let pixel = 0; pixel < score.length; pixel += 1) {
      const salience = saliency === null ? 255 : saliency[pixel];
      if (score[pixel] > floor[salience]) label[pixel] = winner[pixel];
      else if (saliency !== null && salience > ignoreAbove) label[pixel] = IGNORE;
    }
    return label;
  }

  /** Hits, predicted and true pixels by label value, under a policy for a predicted 255. */
  function count(label, truth, values, policy) {
    const counts = {
      hit: new Float64Array(values),
      predicted: new Float64Array(values),
      truths: new Float64Array(values),
    };
    for (let pixel = 0; pixel < label.length; pixel += 1) {
      const is = truth[pixel];
      let said = label[pixel];
      if (is === IGNORE || (said === IGNORE && policy === "drop")) continue;
      if (said === IGNORE && policy === "background") said = 0;
      counts.truths[is] += 1;
      if (said !== IGNORE) counts.predicted[said] += 1;
      if (said === is) counts.hit[is] += 1;
    }
    return counts;
  }

  /** IoU by label value, null where a class occurs nowhere, and their mean, added in order. */
  function scores({ hit, predicted, truths }) {
    const iou = Array.from(hit, (hits, value) => {
      const union = truths[value] + predicted[value] - hits;
      return union === 0 ? null : hits / union;
    });
    const known = iou.filter((one) => one !== null);
    const mean = known.length ? known.reduce((sum, one) => sum + one, 0) / known.length : null;
    return { iou, mean };
  }

  const ERRORS = ["hit", "missed", "false", "confused", "ignored"];

  /** By pixel: 0 nothing to say, else 1 + index into ERRORS. */
  function errors(label, truth) {
    return label.map((said, pixel) => {
      const is = truth[pixel];
      if (is === IGNORE || (is === 0 && said === 0)) return 0;
      if (said === IGNORE) return 5;
      if (said === is) return 1;
      if (said === 0) return 2;
      return is === 0 ? 3 : 4;
    });
  }

  return { ERRORS, count, errors, floors, makeLabel, scores, strongest };
})();
