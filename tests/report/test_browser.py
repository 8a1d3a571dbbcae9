"""report.html in a real Chromium: accessible, silent on the network, usable by keyboard, without JavaScript, on paper."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evalkit.report.formats import html
from tests.report.test_charts import full
from tests.support.hostile import HOSTILE, hostile
from tests.support.report_doc import case_row, harm

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    """Opens a document's HTML from a file; afterwards nothing may have been loaded or complained about."""
    contexts, requests, complaints = [], [], []

    def open_page(doc: dict, **options: Any) -> Page:
        file = tmp_path / "report.html"
        file.write_text(html.render(doc), encoding="utf-8")
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [url for url in requests if not url.startswith(("file://", "data:image/svg+xml"))] == []
    assert sum(url.startswith("file://") for url in requests) == len(contexts)
    assert complaints == []


def rich() -> dict:
    doc = full()
    tags = (["json", "cities"], ["json"], ["prose"])
    doc["quality"]["harms"] = [harm(n, tags=tags[n]) for n in range(3)]
    return doc


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("simulated", [False, True])
def test_axe_finds_no_violation(visit, scheme: str, simulated: bool) -> None:
    from axe_playwright_python.sync_playwright import Axe

    doc = rich() | {"simulated": simulated, "verdict": "no-go" if simulated else "go"}
    for n, status in enumerate(("pass", "warn", "fail", "inconclusive", "error", "waived")):
        doc["items"][n]["status"] = status
    page = visit(doc, color_scheme=scheme)
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    page.locator("#case-table button").nth(1).click()
    found = Axe().run(page, options={"resultTypes": ["violations", "incomplete"]})
    assert found.violations_count == 0, found.generate_report()
    undecided = [rule for rule in found.response["incomplete"] if rule["id"] != "color-contrast"]
    assert undecided == []


def test_on_a_phone_the_first_table_fits_and_nothing_is_out_of_reach(visit) -> None:
    from axe_playwright_python.sync_playwright import Axe

    doc = rich()
    doc["items"][5]["summary"] = "32,768 tokens (config.json max_position_embeddings_of_the_whole_model)"
    page = visit(doc, viewport={"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator(".decision").is_visible()  # the sentence needs no scrolling; the matrix scrolls in its own box
    assert page.eval_on_selector(".decision", "box => box.scrollWidth - box.clientWidth") <= 0
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_figures_above_a_timeline_do_not_overlap(visit) -> None:
    doc = rich()
    doc["timelines"][0]["modes"][1]["chunks"] = [[2.0 * n, 10 + n % 3] for n in range(60)]
    page = visit(doc, viewport={"width": 1280, "height": 800})
    boxes = page.eval_on_selector_all(
        "svg[role=img]", "all => all.map(one => [...one.querySelectorAll('text')].map(t => t.getBoundingClientRect()))"
    )
    assert any(len(row) > 5 for row in boxes)
    for row in boxes:
        for before, after in pairwise(row):
            assert before["right"] <= after["left"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_executes_and_loads_nothing(visit, text: str) -> None:
    page = visit(hostile(text))
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    assert page.eval_on_selector_all("script:not([type='application/json'])", "all => all.length") == 1
    page.eval_on_selector_all("#case-table button", "all => all.forEach(one => one.click())")
    assert page.locator("#case-table tr.replies").count() == 1
    assert page.eval_on_selector_all("a", "all => all.every(a => a.getAttribute('href').startsWith('#'))")
    assert page.eval_on_selector_all("iframe, object, embed, link, base, form", "all => all.length") == 0
    handlers = "all => all.some(e => [...e.attributes].some(a => a.name.startsWith('on')))"
    assert not page.eval_on_selector_all("*", handlers)


def test_the_policy_stops_what_a_template_bug_would_let_through(browser, tmp_path) -> None:
    file = tmp_path / "report.html"
    file.write_text(html.render(rich()), encoding="utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    told = page.evaluate(
        """() => new Promise(done => {
          const seen = []; document.addEventListener('securitypolicyviolation', e => seen.push(e.violatedDirective));
          for (const [tag, key] of [['img', 'src'], ['script', 'src'], ['iframe', 'src']]) {
            const node = document.createElement(tag); node[key] = 'http://127.0.0.1:9/x'; document.body.append(node);
          }
          fetch('http://127.0.0.1:9/x').catch(() => {});
          setTimeout(() => done(seen), 500);
        })"""
    )
    assert {"img-src", "script-src-elem", "connect-src", "frame-src"} <= set(told)
    page.close()


def test_what_decides_is_readable_without_javascript(visit) -> None:
    page = visit(rich(), java_script_enabled=False)
    for text in (
        "GO",
        "May we use it?",
        "How sure are we?",
        "NOT COMPARED",
        "Adopt self-speculation: 1.86×",
        "Cases",
    ):
        assert page.get_by_text(text).first.is_visible()
    assert page.locator("#checklist + .scroll tbody tr").count() == 3
    page.locator("details.harm summary").first.click()
    assert page.locator("details.harm .pair").first.is_visible()
    assert page.locator("#case-table tbody tr").count() == 4
    assert not page.locator("#case-filter").is_visible()


def test_the_first_screen_answers(visit) -> None:
    page = visit(rich(), viewport={"width": 1280, "height": 720})
    for text in ("Adopt self-speculation", "May we use it?", "How sure are we?", "Against today's model?"):
        box = page.get_by_text(text).first.bounding_box()
        assert box["y"] + box["height"] < 720, text


def test_tables_sort_by_keyboard(visit) -> None:
    page = visit(rich())
    table = page.locator("table.sortable").first
    column = table.locator("th button").nth(1)
    column.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert table.locator("th").nth(1).get_attribute("aria-sort") == "descending"
    assert table.locator("tbody tr td:nth-child(2)").all_inner_texts()[:3] == ["16", "16", "16"]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == table.locator("th").nth(2).inner_text()


def ids(page: Page) -> list[str]:
    return page.locator("#case-table tbody tr:not(.replies) th code").all_inner_texts()


def test_cases_are_filtered_by_state_suite_tag_and_name(visit) -> None:
    page = visit(rich())
    assert ids(page) == ["case-0", "case-1", "case-2", "case-3"]
    for control, value, wanted in (
        ("#case-state", "lost", ["case-0", "case-1"]),
        ("#case-state", "all-fail", ["case-2"]),
        ("#case-state", "unscored", ["case-1"]),
        ("#case-state", "pass", ["case-3"]),
        ("#case-state", "mode-0", ["case-2"]),
        ("#case-state", "mode-1", ["case-0", "case-1", "case-2"]),
        ("#case-state", "", ["case-0", "case-1", "case-2", "case-3"]),
        ("#case-tag", "1", ["case-1", "case-3"]),
        ("#case-suite", "0", ["case-1", "case-3"]),
    ):
        page.select_option(control, value)
        assert ids(page) == wanted, (control, value)
    page.fill("#case-id", "E-3")
    assert ids(page) == ["case-3"]
    assert page.locator("#case-count").inner_text() == "1 of 4 cases"


def test_a_result_opens_two_replies_side_by_side_with_the_graders_reason(visit) -> None:
    page = visit(rich())
    row = page.locator("#case-table tbody tr").first
    row.locator("button").nth(1).focus()
    page.keyboard.press("Enter")
    opened = page.locator("tr.replies")
    left, right = opened.locator(".pair > div").nth(0), opened.locator(".pair > div").nth(1)
    assert left.locator("del").all_inner_texts() == ['"Paris"}']
    assert right.locator("ins").all_inner_texts() == ['"Pari"}']
    assert "city is 'Pari'" in right.inner_text()
    assert "diffusion: fail" in right.inner_text()
    assert left.bounding_box()["x"] + left.bounding_box()["width"] <= right.bounding_box()["x"]
    row.locator("button").nth(0).click()
    assert opened.locator(".pair > div").count() == 1  # the baseline by itself
    row.locator("button").nth(0).click()
    assert opened.count() == 0


def test_of_many_cases_the_first_are_drawn_and_a_filter_is_quick(visit) -> None:
    doc = rich()
    doc["quality"]["cases"] = [case_row(n, (1, n % 7 / 6, 1)) for n in range(5000)]
    page = visit(doc)
    assert len(ids(page)) == 50
    page.locator("#case-more").click()
    assert len(ids(page)) == 250
    took = page.evaluate(
        """() => ['mode-1', 'lost', ''].map(value => {
          const box = document.getElementById('case-state'), from = performance.now();
          box.value = value; box.dispatchEvent(new Event('change')); document.body.getBoundingClientRect();
          return performance.now() - from;
        })"""
    )
    print("filter of 5,000 cases, ms:", [round(one, 1) for one in took])
    assert len(ids(page)) == 50


def test_a_redacted_page_has_results_and_no_texts(visit) -> None:
    doc = rich() | {"redacted": True}
    for case in doc["quality"]["replies"]:
        case.pop("prompt")
        for reply in case["modes"]:
            del reply["text"], reply["reason"]
    page = visit(doc)
    page.locator("#case-table button").nth(1).click()
    assert "texts were left out" in page.locator("tr.replies").inner_text()
    assert "json_match" in page.locator("tr.replies").inner_text()


def test_every_prompt_is_a_dot_and_those_with_a_timeline_lead_to_it(visit) -> None:
    page = visit(rich())
    assert page.locator("svg.dots circle.dot, svg.dots circle.slow").count() == 6
    assert page.locator("svg.dots circle.slow").count() == 1
    page.get_by_role("link", name="paris", exact=True).first.click()
    assert page.url.endswith("#timeline-1")


def test_harmed_cases_stand_side_by_side_with_what_differs_marked(visit) -> None:
    page = visit(rich())
    page.locator("details.harm summary").first.click()
    left, right = page.locator("details.harm .pair > div").nth(0), page.locator("details.harm .pair > div").nth(1)
    assert left.locator("del").all_inner_texts() == ["Paris"]
    assert right.locator("ins").all_inner_texts() == ["Pari"]
    assert left.bounding_box()["x"] + left.bounding_box()["width"] <= right.bounding_box()["x"]
    page.set_viewport_size({"width": 400, "height": 800})
    assert left.bounding_box()["y"] < right.bounding_box()["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_timelines_tell_the_modes_apart(visit) -> None:
    page = visit(rich())
    rows = page.locator("svg[role=img]")
    assert rows.nth(0).locator("circle").count() == 16
    assert rows.nth(1).locator("rect").count() == 16
    assert "16 chunks" in rows.nth(1).get_attribute("aria-label")


def test_paper_holds_what_the_screen_folds(visit) -> None:
    page = visit(rich())
    page.emulate_media(media="print")
    assert page.locator("details.harm .pair").first.bounding_box()["height"] > 0
    assert page.locator("nav").is_hidden()
    assert page.pdf()[:4] == b"%PDF"
