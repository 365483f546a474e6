"""The report in a browser: what the page makes is what Python makes, to the byte."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests import plain
from wsss_assets import Recipe, get_recipe, make_label
from wsss_assets.evaluation.sweep import TAUS
from wsss_assets.report.explorer.report import Report, write_report
from wsss_assets.report.explorer.tables import rule_tables
from wsss_assets.storage.label_maps import label_palette

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

sync_api = pytest.importorskip("playwright.sync_api")

PATIENCE = 60_000
"""Milliseconds until a page counts as broken: other work may hold the machine."""

sync_api.expect.set_options(timeout=PATIENCE)

NASTY = "</script><img src=x onerror=alert(1)>"
BENCHMARK = replace(plain.THREE, title=f"Three {NASTY}", classes=("cat", NASTY, "cow"))
CAM = get_recipe(method="cam")
PLACES = [
    (51, 26),
    (0, 0),
    (0, 102),
    (51, 51),
    (102, 153),
    (204, 204),
    (255, 255),
    (1, 1),
    (254, 3),
]

RECIPES: dict[str, tuple[Recipe, str | None]] = {
    "cam": (CAM, "miss"),
    "soft": (CAM.changed(saliency_threshold=0.0, tau=0.3), "drop"),
    "as background": (CAM.changed(saliency_threshold=0.4), "background"),
    "no ignore": (CAM.changed(ignore=False), None),
    "edam": (get_recipe("edam"), None),
    "eps": (get_recipe(method="eps"), None),
}


@dataclass(frozen=True)
class Made:
    """A report, and what it was made from."""

    report: Report
    page: Path
    samples: dict[str, plain.Sample]
    other: dict[str, plain.UInt8]

    def sample(self, image_id: str, pairing: int) -> plain.Sample:
        one = self.samples[image_id]
        return replace(one, saliency=self.other[image_id]) if pairing else one


def drawn(seed: int) -> plain.Sample:
    """An image rich in ties and in bytes where comparisons turn; sizes differ, and are odd."""
    chance = np.random.default_rng(seed)
    shape = (6 + 2 * seed, 15 - seed)
    edges = np.array(plain.EDGES, np.uint8)
    classes = [(0, 2), (1,), (0, 1, 2), (2,), ()][seed % 5]
    truth = chance.choice(np.array([0, 0, 1, 2, 3, 255], np.uint8), shape)
    maps = {index: chance.choice(edges, shape) for index in classes}
    return plain.Sample(chance.choice(edges, shape), maps, truth)


def report_of(
    folder: Path,
    recipe: Recipe,
    policy: str | None,
    out: str = "report",
    activations: tuple[str, ...] = (NASTY,),
) -> Made:
    ids = ["plain", "<script>alert('id')", 'a&b "c"', "--><!-- d", "empty"]
    samples = {image_id: drawn(seed) for seed, image_id in enumerate(ids)}
    other = {image_id: drawn(seed + 5).saliency for seed, image_id in enumerate(ids)}
    for image_id, sample in samples.items():
        plain.write_grey(folder / "masks" / f"{image_id}.png", sample.truth)
        other[image_id] = np.resize(other[image_id], sample.truth.shape)
    saliency = plain.Saliency({one: sample.saliency for one, sample in samples.items()})
    report = write_report(
        {image_id: tuple(sample.maps) for image_id, sample in samples.items()},
        {
            name: plain.Activations({one: sample.maps for one, sample in samples.items()})
            for name in activations
        },
        folder / "masks",
        folder / out,
        saliency={"first": saliency, "second": plain.Saliency(other)},
        recipe=recipe,
        benchmark=BENCHMARK,
        ignored=policy,
    )
    page = folder / out if out.endswith(".html") else folder / out / "index.html"
    return Made(report, page, samples, other)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"there is no browser: none of {', '.join(names)}")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Any,  # noqa: ANN401
    path: Path,
    *,
    quiet: bool = True,
    before: str = "",
    **options: Any,  # noqa: ANN401
) -> Iterator[Any]:
    """A page from disk; anything it asks for or complains of fails the test."""
    options = {"viewport": {"width": 1200, "height": 7000}, **options}
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    trouble: list[str] = []

    def complain(words: str) -> None:
        trouble.append(words)

    def heard(message: Any) -> None:  # noqa: ANN401
        if message.type != "warning":
            complain(message.text)

    def asked(request: Any) -> None:  # noqa: ANN401
        if not request.url.startswith(("file:", "data:")):
            complain(request.url)

    def popped_up(dialog: Any) -> None:  # noqa: ANN401
        complain(dialog.message)
        dialog.dismiss()

    page.on("console", heard)
    page.on("pageerror", lambda error: complain(str(error)))
    page.on("dialog", popped_up)
    page.on("request", asked)
    if before:
        page.add_init_script(before)
    page.goto(path.as_uri())
    if options.get("java_script_enabled", True):
        page.wait_for_selector("html[data-ready], #trouble:not([hidden])")
    yield page
    context.close()
    if quiet:
        assert trouble == []


SET = """async ([pairing, row, tau]) => {
  const give = (id, value, kind) => {
    const input = document.getElementById(id);
    input.value = String(value);
    input.dispatchEvent(new Event(kind, { bubbles: true }));
  };
  give("pairing", pairing, "change");
  give("tau", tau, "input");
  give("row", row, "input");
  const at = `${pairing}/${row}/${tau}`;
  const cards = [...document.querySelectorAll("article[data-image]")];
  const done = () => cards.every((card) => card.dataset.drawn === at)
    && document.getElementById("miou").dataset.at === at
    && document.getElementById("class-rows").dataset.at === at;
  const start = performance.now();
  while (!done()) {
    if (performance.now() - start > 60000) throw new Error(`not drawn: ${at}`);
    await new Promise(requestAnimationFrame);
  }
  const miou = document.getElementById("miou");
  return JSON.stringify({
    miou: miou.value, words: miou.textContent,
    here: Object.fromEntries([...document.querySelectorAll("#class-rows tr")].map(
      (line) => [line.cells[0].textContent, line.querySelector(".here data").value])),
    saliency: [...document.querySelectorAll("canvas.saliency")].map((canvas) => Array.from(
      canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)),
    images: cards.map((card) => {
      const canvas = card.querySelector("canvas.label");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return {
        id: card.querySelector("h4").textContent, height: canvas.height, width: canvas.width,
        pixels: Array.from(data), score: card.querySelector(".live-score").value,
        classes: [...card.querySelectorAll(".closer-body td data")].map((one) => one.value),
      };
    }),
  });
}"""


def shown_at(page: Any, pairing: int, row: int, tau: int) -> dict[str, Any]:  # noqa: ANN401
    """What the page shows with these maps and thresholds; as text, which travels faster."""
    shown: dict[str, Any] = json.loads(page.evaluate(SET, [pairing, row, tau]))
    return shown


def label_of(image: dict[str, Any], values: int) -> plain.UInt8:
    """The label values that a canvas shows."""
    pixels = np.array(image["pixels"], np.uint8).reshape(image["height"], image["width"], 4)
    table = np.frombuffer(label_palette(values), np.uint8).reshape(256, 3)
    label = np.full(pixels.shape[:2], 77, np.uint8)
    for value in [*range(1, values), 255]:
        label[(pixels == [*table[value], 255]).all(axis=2)] = value
    label[pixels[..., 3] == 0] = 0
    return label


def here(
    report: Report, pairing: int, setting: tuple[int, int], ious: list[float | None]
) -> dict[str, str]:
    """IoU by class as the page shows it: stored at the recipe's row, and at the best of both."""
    one = report.pairings[pairing]
    is_stored = setting[0] == one.own[0] or setting == one.best
    return {
        name: iou if is_stored else ""
        for name, iou in zip(report.benchmark.label_names, map(as_script, ious), strict=True)
    }


def as_script(value: float | None) -> str:
    """A number as JavaScript writes it, for those between 0 and 1 that are not tiny."""
    if value is None:
        return ""
    return repr(int(value)) if value == int(value) else repr(value)


@pytest.mark.parametrize("name", RECIPES)
def test_sliders_remake_labels_and_scores(browser: Any, tmp_path: Path, name: str) -> None:  # noqa: ANN401
    recipe, policy = RECIPES[name]
    made = report_of(tmp_path, recipe, policy)
    rows = len(rule_tables(recipe).floors)
    counted = policy or "miss"
    seen = set()
    with opened(browser, made.page) as page:
        places = [made.report.job.own, *PLACES[: None if name == "cam" else 4]]
        for row, tau in [*places, made.report.pairings[0].best]:
            row = row if rows > 1 else 0
            changed = recipe.changed(tau=TAUS[tau])
            if rows > 1:
                changed = changed.changed(saliency_threshold=TAUS[row])
            for pairing in range(len(made.report.pairings)):
                shown = shown_at(page, pairing, row, tau)
                pairs = []
                for image in shown["images"]:
                    sample = made.sample(image["id"], pairing)
                    saliency = sample.saliency if recipe.uses_saliency else None
                    label = np.zeros_like(sample.truth)
                    if sample.maps:
                        label = plain.skeleton(saliency, sample.maps, changed)
                    elif saliency is not None:  # which the plain rule does not know
                        label = make_label(saliency, {}, changed)
                    assert (label_of(image, 4) == label).all(), (image["id"], row, tau)
                    pairs.append((label, sample.truth))
                    ious = plain.ious(plain.tally([pairs[-1]], 3, counted))
                    assert float(image["score"]) == plain.mean(ious)
                    assert [float(one) for one in image["classes"]] == [
                        one for one in ious if one is not None
                    ]
                    seen |= set(np.unique(label).tolist())
                ious = plain.ious(plain.tally(pairs, 3, counted))
                assert shown["here"] == here(made.report, pairing, (row, tau), ious)
                miou = plain.mean(ious)
                assert miou is not None
                assert float(shown["miou"]) == miou
                assert shown["words"] == f"{100 * miou:.2f} %"
    assert seen == {0, 1, 2, 3} | ({255} if recipe.ignore else set())


def test_the_rule_alone_on_many_small_maps(browser: Any) -> None:  # noqa: ANN401
    """`rule.js` without a page: random maps, recipes and settings, in one call."""
    chance = np.random.default_rng(7)
    tables = {name: rule_tables(recipe) for name, (recipe, _) in RECIPES.items()}
    cases, expected = [], []
    for _ in range(250):
        name = str(chance.choice(list(RECIPES)))
        recipe, policy = RECIPES[name]
        row, tau = (int(chance.choice(plain.EDGES)) for _ in range(2))
        row = row if len(tables[name].floors) > 1 else 0
        shape = tuple(chance.integers(1, 7, 2))
        levels = np.array(plain.EDGES, np.uint8) if chance.random() < 0.7 else np.arange(256)
        maps = {
            int(index): chance.choice(levels, shape).astype(np.uint8)
            for index in chance.permutation(3)[: chance.integers(1, 4)]
        }
        saliency = chance.choice(levels, shape).astype(np.uint8) if recipe.uses_saliency else None
        truth = chance.choice(np.array([0, 1, 2, 3, 255], np.uint8), shape)
        changed = recipe.changed(tau=TAUS[tau])
        if len(tables[name].floors) > 1:
            changed = changed.changed(saliency_threshold=TAUS[row])
        label = plain.skeleton(saliency, maps, changed)
        ious = plain.ious(plain.tally([(label, truth)], 3, policy or "miss"))
        expected.append([label.ravel().tolist(), ious, plain.mean(ious)])
        cases.append(
            {
                "rule": name,
                "row": row,
                "tau": tau,
                "maps": [maps[index].ravel().tolist() for index in sorted(maps)],
                "labels": [index + 1 for index in sorted(maps)],
                "saliency": None if saliency is None else saliency.ravel().tolist(),
                "truth": truth.ravel().tolist(),
                "policy": policy or "miss",
            }
        )
    rules = {
        name: {
            "floors": one.floors.ravel().tolist(),
            "tauFloors": one.tau_floors.tolist(),
            "ignoreAbove": one.ignore_above.tolist(),
        }
        for name, one in tables.items()
    }
    script = (resources.files("wsss_assets.report.explorer") / "rule.js").read_text("utf-8")
    page = browser.new_page()
    page.add_script_tag(content=script)
    found = page.evaluate(
        """(text) => {
          const [rules, cases] = JSON.parse(text);
          for (const one of Object.values(rules)) one.floors = Uint8Array.from(one.floors);
          return JSON.stringify(cases.map((one) => {
            const saliency = one.saliency && Uint8Array.from(one.saliency);
            const best = wsssRule.strongest(one.maps, one.labels, one.truth.length);
            const label = wsssRule.makeLabel(best, saliency, rules[one.rule], one.row, one.tau);
            const { iou, mean } = wsssRule.scores(wsssRule.count(label, one.truth, 4, one.policy));
            return [Array.from(label), iou, mean];
          }));
        }""",
        json.dumps([rules, cases]),
    )
    page.close()
    assert json.loads(found) == expected


def test_keys_move_sliders_and_charts(browser: Any, made: Made) -> None:  # noqa: ANN401
    with opened(browser, made.page) as page:
        assert page.get_attribute("#tau", "aria-valuetext") == "0.102, 26 of 255, the recipe’s 0.1"
        page.focus("#tau")
        page.keyboard.press("ArrowRight")
        page.wait_for_selector('#miou[data-at$="/51/27"]')
        assert page.get_attribute("#tau", "aria-valuetext") == "0.106, 27 of 255"
        page.focus("#row")
        page.keyboard.press("Home")
        page.wait_for_selector('#miou[data-at$="/0/27"]')
        assert page.get_attribute("#row", "aria-valuetext") == "0, soft saliency"
        page.focus("#surface")
        page.keyboard.press("Shift+ArrowUp")
        page.keyboard.press("ArrowLeft")
        page.wait_for_selector('#miou[data-at$="/10/26"]')
        page.focus("#curve")
        page.keyboard.press("ArrowRight")
        page.wait_for_selector('#miou[data-at$="/10/27"]')
        said = page.locator("#live")
        shown = page.inner_text("#miou").removesuffix(" %")
        sync_api.expect(said).to_have_text(
            f"mIoU {shown} percent at tau 0.106, saliency threshold 0.039"
        )
        page.click("#to-own")
        page.wait_for_selector('#miou[data-at$="/51/26"]')
        page.click("#to-best")
        row, tau = made.report.pairings[made.report.leading].best
        page.wait_for_selector(f'#miou[data-at$="/{row}/{tau}"]')


def test_pointing_at_charts(browser: Any, made: Made) -> None:  # noqa: ANN401
    with opened(browser, made.page) as page:
        box = page.locator(".surface-map").bounding_box()
        x, y = (box[name] + share * box[size] for name, share, size in _MIDDLES)
        page.mouse.move(x, y)
        value = made.report.pairings[made.report.leading].miou[64, 192]
        sync_api.expect(page.locator(".surface-map .tip")).to_have_text(
            f"saliency > 0.251, tau 0.753: mIoU {100 * value:.2f}"
        )
        page.mouse.click(x, y)
        page.wait_for_selector('#miou[data-at$="/64/192"]')
        box = page.locator("#curve svg").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        sync_api.expect(page.locator("#curve .tip")).to_contain_text(": tau 0.48")


_MIDDLES = (("x", 192.5 / 256, "width"), ("y", 191.5 / 256, "height"))


def test_the_summary_is_sorted_by_its_buttons(browser: Any, made: Made) -> None:  # noqa: ANN401
    own = [one.at(one.own) or 0 for one in made.report.pairings]
    order = sorted(range(len(own)), key=lambda number: own[number])

    def lines(page: Any) -> list[int]:  # noqa: ANN401
        found = page.eval_on_selector_all(
            "#summary tr[data-pairing]", "lines => lines.map((one) => Number(one.dataset.pairing))"
        )
        return [int(one) for one in found]

    with opened(browser, made.page) as page:
        assert lines(page) == order[::-1]
        head = page.locator("#summary thead th", has_text="At the recipe")
        assert head.get_attribute("aria-sort") == "descending"
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert lines(page) == order
        page.locator("#summary thead button", has_text="Saliency").click()
        assert lines(page) == [0, 1]
        assert page.locator("#summary th[aria-sort]").count() == 1
        page.locator("#summary tbody .choose").nth(1).click()
        page.wait_for_selector('#miou[data-at^="1/"]')


def test_one_file_shows_the_same(browser: Any, tmp_path: Path, made: Made) -> None:  # noqa: ANN401
    one = report_of(tmp_path, CAM, "miss", "report.html")
    with opened(browser, one.page) as page:
        alone = [shown_at(page, 1, row, tau) for row, tau in PLACES[:3]]
    with opened(browser, made.page) as page:
        beside = [shown_at(page, 1, row, tau) for row, tau in PLACES[:3]]
    assert alone == beside


def test_a_look_closer(browser: Any, made: Made) -> None:  # noqa: ANN401
    with opened(browser, made.page) as page:
        shown_at(page, 0, 51, 26)
        card = page.locator("article", has=page.locator("h4", has_text="a&b"))
        card.locator("summary").click()
        card.locator("input[value=errors]").check()
        colours = page.evaluate(
            """() => {
              const canvas = [...document.querySelectorAll("article")]
                .find((one) => one.querySelector("h4").textContent.startsWith("a&b"))
                .querySelector("canvas.label");
              const { data } = canvas.getContext("2d")
                .getImageData(0, 0, canvas.width, canvas.height);
              return Array.from(new Uint32Array(data.buffer));
            }"""
        )
        sample = made.samples['a&b "c"']
        label, truth = plain.skeleton(sample.saliency, sample.maps, CAM), sample.truth
        kinds = np.select(
            [
                (truth == 255) | ((truth == 0) & (label == 0)),
                label == 255,
                label == truth,
                label == 0,
                truth == 0,
            ],
            [0, 5, 1, 2, 3],
            4,
        )
        shown = np.array(colours)
        there = np.unique(kinds).tolist()
        assert len(there) >= 4
        for kind in there:  # one colour for each kind, and each its own
            assert len(set(shown[kinds.ravel() == kind].tolist())) == 1
        assert len(set(shown.tolist())) == len(there)
        card.locator("select").select_option(label="cow")
        assert card.locator("figcaption", has_text="Activation: cow").is_visible()


def test_paper_has_the_images_out_of_sight(browser: Any, made: Made) -> None:  # noqa: ANN401
    count = "document.querySelectorAll('article[data-drawn]').length"
    printing = "dispatchEvent(new Event('beforeprint'))"
    with opened(browser, made.page, viewport={"width": 400, "height": 300}) as page:
        page.wait_for_selector(f"html[data-loaded='{made.report.leading}']")
        assert page.evaluate(count) < 5
        page.evaluate(printing)
        assert page.evaluate(count) == 5
        assert page.evaluate("[...document.querySelectorAll('canvas')].every((one) => one.width)")
        assert page.text_content("#paper-note") == ""
        page.evaluate(  # others are chosen, and not loaded yet
            f"""() => {{
              const input = document.getElementById("pairing");
              input.value = String({1 - made.report.leading});
              input.dispatchEvent(new Event("change", {{ bubbles: true }}));
              {printing};
            }}"""
        )
        assert page.text_content("#paper-note").startswith("0 of 5 images are on paper")
        page.wait_for_selector(f"html[data-loaded='{1 - made.report.leading}']")


def test_nothing_is_fetched_from_elsewhere(browser: Any, made: Made) -> None:  # noqa: ANN401
    """The page's own policy refuses it, also where something got into it."""
    with opened(browser, made.page, quiet=False) as page:
        refused = page.evaluate(
            """async () => {
              const refused = [];
              document.addEventListener("securitypolicyviolation",
                (event) => refused.push(event.effectiveDirective));
              const image = new Image();
              image.src = "http://127.0.0.1:9/x.png";
              const script = document.createElement("script");
              script.src = "https://127.0.0.1:9/x.js";
              const inline = document.createElement("script");
              inline.textContent = "window.ran = true";
              document.body.append(script, inline);
              await fetch("http://127.0.0.1:9/").catch(() => null);
              const start = performance.now();
              while (refused.length < 4 && performance.now() - start < 60000) {
                await new Promise((done) => setTimeout(done, 20));
              }
              return [refused.sort(), Boolean(window.ran)];
            }"""
        )
    assert refused == [["connect-src", "img-src", "script-src-elem", "script-src-elem"], False]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_one_way(browser: Any, made: Made, scheme: str) -> None:  # noqa: ANN401
    options: dict[str, Any] = {"viewport": {"width": 360, "height": 700}, "color_scheme": scheme}
    with opened(browser, made.page, **options) as page:
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) == 0
        ground = "getComputedStyle(document.body).backgroundColor"
        before = page.evaluate(ground)
        page.click("#theme")
        after = page.evaluate(ground)
        assert (before == "rgb(20, 23, 27)") == (scheme == "dark")
        assert (after == "rgb(20, 23, 27)") == (scheme == "light")
        assert page.inner_text("#theme") == f"{scheme.capitalize()} colours"
        page.locator("#classes").scroll_into_view_if_needed()
        for name in ("own", "best-tau", "best"):
            assert page.locator(f"#to-{name}").is_visible()
        assert page.inner_text("label[for=row]").startswith("Saliency threshold")
        cut = "(boxes) => boxes.filter((one) => one.scrollWidth > one.clientWidth).length"
        assert page.eval_on_selector_all(".controls, .control label, .jumps", cut) == 0


def test_tables_read_without_scripts(browser: Any, made: Made) -> None:  # noqa: ANN401
    with opened(browser, made.page, java_script_enabled=False) as page:
        text = page.inner_text("body")
        assert "Scripts are off" in text
        for one in made.report.pairings:
            assert f"{100 * (one.at(one.own) or 0):.2f}" in text
        assert NASTY in text
        assert not page.is_visible("#controls")
        assert page.locator("#class-rows tr").count() == 4


def test_missing_data_are_said(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    one = report_of(tmp_path, get_recipe(method="eps"), None)
    for script in one.page.parent.glob("data-*/activation-0-0.js"):
        script.unlink()
    with opened(browser, one.page, quiet=False) as page:
        sync_api.expect(page.locator("article .failed")).to_contain_text(
            "activation-0-0.js is not there"
        )


def test_a_browser_that_cannot_unpack_shows_the_tables(browser: Any, made: Made) -> None:  # noqa: ANN401
    script = "delete globalThis.DecompressionStream"
    with opened(browser, made.page, before=script) as page:
        assert "cannot unpack the maps" in page.inner_text("#trouble")
        assert page.is_visible("#summary table")
        assert not page.is_visible("#controls")


# Unpacking takes a number of frames that is drawn, so that maps come in any order.
LATE = """
  let seed = %d;
  const drawn = () => {
    seed = (seed * 1103515245 + 12345) %% 2147483648;
    return (seed >> 16) %% 6;
  };
  const unpack = Response.prototype.arrayBuffer;
  Response.prototype.arrayBuffer = async function () {
    for (let frames = drawn(); frames > 0; frames -= 1) await new Promise(requestAnimationFrame);
    return unpack.call(this);
  };
"""
HURRY = """async (choices) => {
  const input = document.getElementById("pairing");
  const cards = [...document.querySelectorAll("article[data-image]")];
  const reds = (canvas) => Array.from(canvas.getContext("2d")
    .getImageData(0, 0, canvas.width, canvas.height).data.filter((_, index) => index % 4 === 0));
  const frames = [];
  const look = () => frames.push(cards.filter((card) => card.dataset.drawn).map((card) => ({
    id: card.querySelector("h4").textContent, drawn: card.dataset.drawn,
    saliency: reds(card.querySelector("canvas.saliency")),
  })));
  for (const one of choices) {
    if (one !== null) {
      input.value = String(one);
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }
    await new Promise(requestAnimationFrame);
    look();
  }
  return JSON.stringify(frames);
}"""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_pairing_chosen_while_another_one_loads(browser: Any, made: Made, seed: int) -> None:  # noqa: ANN401
    """At every frame all that an image shows is of one pairing, in the end of the last chosen."""
    chance = np.random.default_rng(seed)
    choices = [None if one == 2 else int(one) for one in chance.integers(0, 3, 60)]
    with opened(browser, made.page, before=LATE % seed) as page:
        frames = json.loads(page.evaluate(HURRY, choices))
        assert {one["drawn"][0] for cards in frames for one in cards} == {"0", "1"}
        for one in (one for cards in frames for one in cards):
            saliency = made.sample(one["id"], int(one["drawn"][0])).saliency
            assert one["saliency"] == saliency.ravel().tolist(), one["drawn"]
        last = next(one for one in reversed(choices) if one is not None)
        for image in shown_at(page, last, *made.report.job.own)["images"]:
            sample = made.sample(image["id"], last)
            label = make_label(sample.saliency, sample.maps, made.report.job.recipe)
            assert (label_of(image, 4) == label).all()


def test_a_grid_is_compared(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    made = report_of(tmp_path, CAM, "miss", activations=("one", NASTY, "three"))
    report = made.report
    with opened(browser, made.page) as page:
        cells = page.locator("#matrix button")
        for value, name in (("own", "own"), ("bestTau", "best_tau"), ("best", "best")):
            page.check(f"input[name=matrix-show][value={value}]")
            expected = [f"{100 * (one.at(getattr(one, name)) or 0):.2f}" for one in report.pairings]
            sync_api.expect(cells).to_have_text(expected)
        cells.nth(3).click()
        page.wait_for_selector('#miou[data-at^="3/"]')
        assert page.get_attribute("#matrix button >> nth=3", "aria-pressed") == "true"
        drawn = page.locator("#panels figure")
        sync_api.expect(drawn).to_have_count(2)
        sync_api.expect(drawn.first.locator("path.line")).to_have_count(3)
        page.check("input[name=panels-show][value=activation]")
        sync_api.expect(drawn).to_have_count(3)
        sync_api.expect(drawn.first.locator("path.line")).to_have_count(2)
        sync_api.expect(drawn.nth(1).locator("path.line.chosen")).to_have_count(1)
        grey, lines = page.locator("#curve path.context"), page.locator("#curve path.line")
        sync_api.expect(lines).to_have_count(6)
        for by, others in (("activation", 3), ("saliency", 4), ("all", 0)):
            page.select_option("#compare", by)
            sync_api.expect(grey).to_have_count(others)


def test_many_images_of_many_classes_give_memory_back(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """More than 60 images: what is out of sight holds nothing, and comes again."""
    chance = np.random.default_rng(1)
    benchmark = replace(plain.THREE, classes=tuple(f"class {index}" for index in range(80)))
    shapes = [(1, 1), (1, 90), (90, 1), *[(4, 5)] * 58]
    labels, saliency, activation = {}, {}, {}
    for number, shape in enumerate(shapes):
        name = f"image {number:02d}"
        labels[name] = (number % 80, 79)
        saliency[name] = chance.integers(0, 256, shape).astype(np.uint8)
        activation[name] = {
            index: chance.integers(0, 256, shape).astype(np.uint8) for index in labels[name]
        }
        truth = chance.choice(np.array([0, number % 80 + 1, 80], np.uint8), shape)
        plain.write_grey(tmp_path / "masks" / f"{name}.png", truth)
    write_report(
        labels,
        {"cam": plain.Activations(activation)},
        tmp_path / "masks",
        tmp_path / "report",
        saliency={"some": plain.Saliency(saliency)},
        recipe=CAM,
        benchmark=benchmark,
        ignored="drop",
        samples=61,
    )
    with opened(
        browser, tmp_path / "report/index.html", viewport={"width": 900, "height": 600}
    ) as page:
        cards = page.locator("article[data-image]")
        assert cards.count() == 61
        assert page.locator("article[data-drawn]").count() < 30
        for place in (0, 60, 0):
            cards.nth(place).scroll_into_view_if_needed()
            sync_api.expect(cards.nth(place)).to_have_attribute("data-drawn", "0/51/26")
            sync_api.expect(cards.nth(60 - place)).not_to_have_attribute("data-drawn", "0/51/26")
            widths = "(cards) => cards.map((one) => one.querySelector('canvas.label').width)"
            found = page.eval_on_selector_all("article[data-image]", widths)
            assert (found[place] > 0, found[60 - place]) == (True, 0)
            assert page.locator("#class-rows tr").count() > 50


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return report_of(tmp_path_factory.mktemp("explorer"), CAM, "miss")


@pytest.mark.parametrize(("width", "told"), [(380, True), (1200, False)])
def test_a_narrow_page_says_that_the_scores_go_on(
    browser: Any,  # noqa: ANN401
    made: Made,
    width: int,
    told: bool,
) -> None:
    with opened(browser, made.page, viewport={"width": width, "height": 700}) as page:
        scores = page.locator(".scores")
        assert scores.get_by_text("The table goes on to the right").is_visible() is told
        cell = page.locator(".scores tbody td:not(.words)").first
        box = cell.bounding_box()
        assert box["x"] + box["width"] <= width


def test_every_part_has_a_name(browser: Any, made: Made) -> None:  # noqa: ANN401
    with opened(browser, made.page) as page:
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("button, select, input, [role], img, canvas")]
              .filter((one) => !one.closest("[hidden]") && !one.ariaHidden)
              .filter((one) => !(one.ariaLabel || one.textContent.trim() || one.labels?.length
                || one.id === "live" || one.getAttribute("alt") !== null))
              .map((one) => one.outerHTML.slice(0, 120))"""
        )
        levels = page.evaluate(
            "[...document.querySelectorAll('h1, h2, h3, h4')].map((one) => Number(one.tagName[1]))"
        )
        tables = page.evaluate(
            """[...document.querySelectorAll("table")].filter((one) => one.rows.length)
              .every((one) => one.caption && one.querySelector("th[scope=col]"))"""
        )
        speaking = page.locator("output, [aria-live], [role=status]").count()
    assert speaking == 1  # and not at every step of a slider
    assert nameless == []
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert tables
