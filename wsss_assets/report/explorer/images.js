// The cards of images: load maps when seen, re-make the label, paint.
const wsssImages = (() => {
  "use strict";
  const { element, percent } = wsssCharts;
  const { inflate } = wsssStore;
  const ERROR_WORDS = {
    hit: "hit: the class is right",
    missed: "missed: a class called background, in part or whole",
    false: "spill or phantom: background called a class",
    confused: "confused: another class",
    ignored: "ignored: called 255",
  };

  /** Pixels of byte values at a size, through a table of 256 colours, each a 32-bit RGBA. */
  function paint(canvas, { width, height }, values, table) {
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    const picture = context.createImageData(canvas.width, canvas.height);
    const pixels = new Uint32Array(picture.data.buffer);
    for (let pixel = 0; pixel < values.length; pixel += 1) pixels[pixel] = table[values[pixel]];
    context.putImageData(picture, 0, 0);
  }

  function colour(red, green, blue, alpha = 255) {
    return new Uint32Array(new Uint8Array([red, green, blue, alpha]).buffer)[0];
  }

  /** Tables of colours: of labels, greys, heat and errors. */
  function tables(report, heat) {
    const label = new Uint32Array(256);
    report.palette.forEach(([value, red, green, blue]) => {
      label[value] = value === 0 ? 0 : colour(red, green, blue);
    });
    const style = getComputedStyle(document.documentElement);
    const errors = new Uint32Array(256);
    wsssRule.ERRORS.forEach((name, index) => {
      const [red, green, blue] = style.getPropertyValue(`--${name}`).trim().match(/[0-9a-f]{2}/gi).map((hex) => parseInt(hex, 16));
      errors[index + 1] = colour(red, green, blue);
    });
    return {
      label,
      errors,
      grey: Uint32Array.from({ length: 256 }, (_, level) => colour(level, level, level)),
      heat: Uint32Array.from({ length: 256 }, (_, level) => colour(...heat.subarray(3 * level, 3 * level + 3))),
    };
  }

  function errorLegend() {
    return wsssRule.ERRORS.map((name) => {
      const swatch = element("span", { class: "swatch" });
      swatch.style.background = `var(--${name})`;
      return element("span", { title: ERROR_WORDS[name] }, swatch, ERROR_WORDS[name].split(":")[0]);
    });
  }

  /** One image; `load(key)` gives a promise of what is stored under a key. */
  class Card {
    constructor(node, number, report, rule, load, colours) {
      Object.assign(this, { node, number, report, rule, load, colours });
      this.image = report.images[number];
      this.pixels = this.image.height * this.image.width;
      this.show = "classes";
      this.opacity = 0.75;
      this.activationShown = -1;
      this.seen = false;
      this.ahead = false;
      this.pairing = -1; // whose maps are held
      this.painted = -1; // whose maps are on the canvases, as is the label
      this.wanted = null;
      this.build();
    }

    /** Draw for a state (pairing, row, tau); loads what is not there yet. */
    async update(state) {
      this.wanted = state;
      if (!this.seen) return;
      try {
        await this.prepare(state.pairing);
      } catch (error) {
        this.fail(error);
        return;
      }
      if (this.seen) this.drawIfLoaded(this.wanted); // which may have come since
    }

    async prepare(pairing) {
      if (!this.truth) {
        this.base ||= this.load(`image-${this.number}`).then(async (stored) => {
          this.truth = await inflate(stored.truth);
          this.node.querySelectorAll(".stack img").forEach((image) => { image.src = stored.photo; });
          this.describeTruth();
        });
        await this.base;
      }
      if (this.pairing === pairing) return;
      const { saliency, activation } = this.report.pairings[pairing];
      const [salience, stacked] = await Promise.all([
        saliency === null ? null : this.load(`saliency-${saliency}-${this.number}`).then(inflate),
        this.load(`activation-${activation}-${this.number}`).then(inflate),
      ]);
      if (this.wanted.pairing !== pairing || !(this.seen || this.ahead)) return; // others were chosen meanwhile
      this.maps = this.image.classes.map((_, index) => stacked.subarray(index * this.pixels, (index + 1) * this.pixels));
      this.saliency = salience;
      this.found = wsssRule.strongest(this.maps, this.image.classes.map((one) => one + 1), this.pixels);
      this.pairing = pairing;
    }

    /** Give back what an image that is out of sight holds: many canvases are much memory. */
    rest() {
      this.seen = false;
      this.pairing = this.painted = -1;
      Object.assign(this, { maps: null, saliency: null, found: null, label: null });
      for (const canvas of Object.values(this.canvases)) canvas.width = canvas.height = 0;
      delete this.node.dataset.drawn;
    }

    /** Load what a state needs before the image is seen, so that it can be printed. */
    async loadAhead(state) {
      this.ahead = true;
      this.wanted = state;
      await this.prepare(state.pairing).catch(() => {}); // said once it is seen
    }

    /** Draw at once if all is loaded. */
    drawIfLoaded(state) {
      const at = `${state.pairing}/${state.row}/${state.tau}`;
      if (this.pairing === state.pairing && this.node.dataset.drawn !== at) this.draw(state);
      return this.node.dataset.drawn === at;
    }

    /** Maps, label and scores at once, so that no two of them are ever of different maps. */
    draw({ pairing, row, tau }) {
      if (this.painted !== pairing) this.paintMaps();
      const label = wsssRule.makeLabel(this.found, this.saliency, this.rule, row, tau);
      const counts = wsssRule.count(label, this.truth, this.report.names.length, this.report.policy || "miss");
      const scores = wsssRule.scores(counts);
      Object.assign(this, { label, counts, scores });
      this.paintLabel();
      const shown = this.node.querySelector(".live-score");
      shown.value = scores.mean === null ? "" : scores.mean;
      shown.textContent = percent(scores.mean);
      this.fillTable();
      this.canvases.label.setAttribute("aria-label", this.words(label, "Label"));
      this.node.dataset.drawn = `${pairing}/${row}/${tau}`;
    }

    build() {
      const panels = this.node.querySelector(".panels");
      panels.replaceChildren();
      this.canvases = {};
      this.photo = this.report.photos;
      if (this.photo) this.panel(panels, null, "Photo");
      if (this.report.pairings[0].saliency !== null) this.panel(panels, "saliency", "Saliency");
      this.panel(panels, "activation", "Activation");
      this.panel(panels, "label", "Label", true);
      this.panel(panels, "truth", "Ground truth", true);
      this.buildCloser();
    }

    describeTruth() {
      this.canvases.truth.setAttribute("aria-label", this.words(this.truth, "Ground truth"));
      this.chips();
    }

    panel(panels, kind, name, dim = false) {
      const stack = element("div", { class: dim && this.photo ? "stack dim" : "stack" });
      stack.style.aspectRatio = `${this.image.width} / ${this.image.height}`;
      if (this.photo && kind !== "saliency") {
        stack.append(element("img", { alt: kind === null ? `Photo ${this.image.id}` : "", decoding: "async" }));
      }
      if (kind !== null) {
        const canvas = element("canvas", { width: 0, height: 0, class: kind, role: "img", "aria-label": name });
        if (this.photo && kind !== "saliency") canvas.style.opacity = this.opacity;
        this.canvases[kind] = canvas;
        stack.append(canvas);
      }
      const caption = element("figcaption", {}, name);
      if (kind === "activation") this.caption = caption;
      panels.append(element("figure", {}, stack, caption));
    }

    paintMaps() {
      this.painted = this.pairing;
      paint(this.canvases.truth, this.image, this.truth, this.colours.label);
      if (this.saliency) paint(this.canvases.saliency, this.image, this.saliency, this.colours.grey);
      const one = this.activationShown;
      paint(this.canvases.activation, this.image, one < 0 ? this.found.score : this.maps[one], this.colours.heat);
      this.caption.textContent = `Activation: ${this.activationName(one)}`;
      this.canvases.activation.setAttribute("aria-label", this.caption.textContent);
    }

    activationName(index) {
      const names = this.image.classes.map((one) => this.report.names[one + 1]);
      if (names.length === 0) return "none, no class is listed";
      if (names.length === 1) return names[0];
      return index < 0 ? "strongest" : names[index];
    }

    paintLabel() {
      const errors = this.show === "errors";
      const values = errors ? wsssRule.errors(this.label, this.truth) : this.label;
      paint(this.canvases.label, this.image, values, errors ? this.colours.errors : this.colours.label);
    }

    /** What a label map holds, in words. */
    words(label, name) {
      const counts = new Uint32Array(256);
      for (const value of label) counts[value] += 1;
      const parts = [...counts].map((pixels, value) => [value, pixels]).filter(([value, pixels]) => value !== 0 && pixels > 0)
        .map(([value, pixels]) => `${value === 255 ? "ignored" : this.report.names[value]} ${percent(pixels / label.length, 1)} %`);
      return `${name}: ${parts.join(", ") || "background alone"}`;
    }

    chips() {
      const values = [...new Set([...this.truth, ...this.image.classes.map((one) => one + 1)])].filter((value) => value !== 0).sort((one, other) => one - other);
      const chips = values.map((value) => {
        const swatch = element("span", { class: "swatch" });
        const [, red, green, blue] = this.report.palette.find(([one]) => one === value);
        swatch.style.background = `rgb(${red} ${green} ${blue})`;
        return element("span", {}, swatch, value === 255 ? "255, not counted" : this.report.names[value]);
      });
      this.node.querySelector(".chips").replaceChildren(...chips);
    }

    buildCloser() {
      const body = this.node.querySelector(".closer-body");
      const id = `card-${this.number}`;
      const radio = (value, words) => {
        const input = element("input", { type: "radio", name: `${id}-show`, value });
        input.checked = value === this.show;
        input.onchange = () => this.setShow(value);
        return element("label", {}, input, ` ${words}`);
      };
      const opacity = element("input", { type: "range", min: 0, max: 100, value: Math.round(100 * this.opacity), id: `${id}-opacity` });
      opacity.setAttribute("aria-valuetext", `${opacity.value} %`);
      opacity.oninput = () => {
        this.opacity = Number(opacity.value) / 100;
        opacity.setAttribute("aria-valuetext", `${opacity.value} %`);
        for (const [kind, canvas] of Object.entries(this.canvases)) if (kind !== "saliency") canvas.style.opacity = this.opacity;
      };
      const chosen = element("select", { id: `${id}-class` });
      chosen.append(new Option("the strongest of all", "-1"));
      this.image.classes.forEach((one, index) => chosen.append(new Option(this.report.names[one + 1], String(index))));
      chosen.onchange = () => {
        this.activationShown = Number(chosen.value);
        if (this.painted !== -1 && this.painted === this.pairing) this.paintMaps();
      };
      const large = element("input", { type: "checkbox" });
      large.onchange = () => this.node.classList.toggle("large", large.checked);
      const left = element("div", {},
        element("fieldset", {}, element("legend", {}, "The label shows"), radio("classes", "classes"), radio("errors", "errors")),
        element("label", { for: `${id}-class` }, "Activation of"), chosen,
        element("label", {}, large, " Large"));
      if (this.photo) left.append(element("label", { for: `${id}-opacity` }, "Colour over the photo"), opacity);
      this.rows = element("tbody");
      const head = element("tr", {}, ...["Class", "IoU", "Hit", "Predicted", "True"].map((name) => element("th", { scope: "col" }, name)));
      const table = element("table", {}, element("caption", {}, element("span", {}, "Pixels and IoU of this image, at the thresholds above")), element("thead", {}, head), this.rows);
      body.replaceChildren(left, element("div", { class: "scroll" }, table));
    }

    setShow(value) {
      this.show = value;
      this.node.querySelectorAll(`input[name="card-${this.number}-show"]`).forEach((one) => { one.checked = one.value === value; });
      if (this.label) this.paintLabel();
    }

    fillTable() {
      const { hit, predicted, truths } = this.counts;
      const lines = [];
      this.scores.iou.forEach((iou, value) => {
        if (iou === null) return;
        const score = element("data", { value: String(iou) }, percent(iou));
        lines.push(element("tr", {}, element("th", { scope: "row" }, this.report.names[value]), element("td", {}, score),
          ...[hit, predicted, truths].map((counts) => element("td", {}, counts[value].toLocaleString("en")))));
      });
      this.rows.replaceChildren(...lines);
    }

    fail(error) {
      this.node.querySelector(".panels").replaceChildren(element("p", { class: "failed" }, `This image could not be loaded: ${error.message}`));
    }
  }

  return { Card, errorLegend, tables };
})();
