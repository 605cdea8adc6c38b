"""The table of a page that people search, in a real browser, from a file, without a network."""

import json
import re
import time

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from perfseer.reporting.document import publish
from perfseer.reporting.explorer import Explorer
from perfseer.reporting.outputs import Document
from tests.helpers.browser import resize
from tests.helpers.explorers import COLUMNS, SENTENCE, few, many

# One browser is enough, and quicker than several.
pytestmark = pytest.mark.xdist_group("browser")

TEXT = f"# Report\n\n## First\n\nBefore.\n\n{SENTENCE}\n\n## Last\n\nAfter.\n\n![F](figures/report_f.svg)\n"
HOSTILE = (
    "<img src=x onerror=\"document.title='caught'\"> & </script><script>document.title='caught'</script>"
)


def draw():
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    return figure


def write(folder, rows: pd.DataFrame, columns=COLUMNS) -> str:
    """A page with these rows; its address."""
    inset = Explorer("accelerators", "accelerators", SENTENCE, columns, rows).inset()
    document = Document("report", "R")
    written = publish(document, TEXT, folder, figures={"report_f": draw}, tables={}, insets=[inset])
    return written.paths[1].as_uri()


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> str:
    return write(tmp_path_factory.mktemp("small"), few())


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> str:
    return write(tmp_path_factory.mktemp("large"), many())


@pytest.fixture
def opened(browser, small):
    """The page of six, as it is when it opens."""
    resize(browser, 1280)
    browser.get_log("browser")
    visit(browser, small)
    yield browser
    assert [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"] == []


def visit(browser, address: str) -> None:
    browser.get("about:blank")  # an address that differs behind the hash alone is not loaded again
    browser.get(address)


def one(browser, selector: str):
    return browser.find_element("css selector", selector)


def names(browser) -> list[str]:
    """Of the rows that are seen, from top to bottom."""
    return browser.execute_script(
        "return [...document.querySelectorAll('.explorer tbody tr th')].map((cell) => cell.textContent)"
    )


def state(browser) -> str:
    return one(browser, "output").text


def until(condition, wanted) -> None:
    """What is done a moment later comes true."""
    end = time.monotonic() + 5
    while (found := condition()) != wanted and time.monotonic() < end:
        time.sleep(0.02)
    assert found == wanted


def head(browser, name: str):
    return one(browser, f"th[data-name={name}]")


ALL = ["Alpha 9", "Alpha 10", "Beta", "Gamma", "Delta", "Épsilon"]


def test_it_opens_whole_with_its_figure(opened):
    assert names(opened) == ALL
    assert state(opened) == "6 of 6 accelerators"
    assert opened.execute_script("return document.querySelector('img').naturalWidth") > 0
    assert "GiB" in head(opened, "memory_gib").text


@pytest.mark.parametrize(
    ("typed", "left"),
    [
        ("beta", ["Beta"]),
        ("AYLA datac", ["Alpha 10", "Delta"]),
        ("epsilon", ["Épsilon"]),
        ("700", []),  # numbers have bounds
        ("<b>&", []),
    ],
)
def test_typing_searches(opened, typed, left):
    one(opened, "input[type=search]").send_keys(typed)
    assert names(opened) == left
    assert state(opened) == f"{len(left)} of 6 accelerators"


ORDERS = {
    "fp16_tflops": ["Delta", "Alpha 9", "Alpha 10", "Épsilon", "Beta"],
    "year": ["Alpha 9", "Épsilon", "Alpha 10", "Beta", "Delta"],
    "tdp_w": ["Delta", "Alpha 9", "Alpha 10", "Épsilon", "Beta"],
}


@pytest.mark.parametrize("name", ORDERS)
def test_clicking_sorts_numbers_by_value_and_what_is_missing_last(opened, name):
    head(opened, name).click()
    until(lambda: names(opened), [*ORDERS[name], "Gamma"])
    assert head(opened, name).get_attribute("aria-sort") == "ascending"
    head(opened, name).click()
    until(lambda: names(opened), [*ORDERS[name][::-1], "Gamma"])
    assert head(opened, name).get_attribute("aria-sort") == "descending"


def test_texts_sort_as_people_count(opened):
    head(opened, "name").click()
    until(lambda: names(opened), ["Alpha 9", "Alpha 10", "Beta", "Delta", "Épsilon", "Gamma"])
    head(opened, "generation").click()
    until(lambda: names(opened)[-1], "Gamma")  # it has none


@pytest.mark.parametrize("key", ["\ue007", " "], ids=["enter", "space"])
def test_keys_sort_too(opened, key):
    button = head(opened, "tdp_w").find_element("css selector", "[role=button]")
    assert "Power limit" in button.get_attribute("aria-label")
    opened.execute_script("arguments[0].focus()", button)
    opened.switch_to.active_element.send_keys(key)
    until(lambda: names(opened), [*ORDERS["tdp_w"], "Gamma"])


def test_every_control_is_reached_by_tab_and_named(opened):
    from selenium.webdriver.common.keys import Keys

    opened.execute_script("document.querySelector('details').open = true")
    one(opened, "input[type=search]").click()
    reached = []
    for _ in range(3 + 8 + 2):
        reached.append(opened.switch_to.active_element.accessible_name)
        opened.switch_to.active_element.send_keys(Keys.TAB)
    assert reached[0] == "Search"
    assert any(name.startswith("Vendor") for name in reached)
    assert "Memory, GiB, at least" in reached
    assert all(reached)


def choose(browser, column: str, value: str) -> None:
    options = browser.find_elements("css selector", f"select[data-column={column}] option")
    next(option for option in options if option.get_attribute("value") == value).click()


def bound(browser, column: str, which: str, value: str) -> None:
    browser.execute_script("document.querySelector('.explorer-tools details').open = true")
    one(browser, f"input[data-column={column}][data-bound={which}]").send_keys(value)


def test_filters_hold_together_and_are_cleared(opened):
    choose(opened, "category", "Datacenter")
    until(lambda: names(opened), ["Alpha 10", "Beta", "Delta"])
    bound(opened, "memory_gib", "min", "16.5")
    assert names(opened) == ["Beta", "Delta"]
    bound(opened, "tdp_w", "max", "100")
    assert names(opened) == ["Delta"]
    assert state(opened) == "1 of 6 accelerators"
    one(opened, ".explorer-state button").click()
    assert names(opened) == ALL


def test_what_is_missing_is_within_no_bounds(opened):
    bound(opened, "tdp_w", "min", "0")
    assert names(opened) == [name for name in ALL if name != "Gamma"]


def test_a_link_keeps_what_was_chosen(opened):
    one(opened, "input[type=search]").send_keys("a")
    choose(opened, "vendor", "Ayla")
    bound(opened, "memory_gib", "min", "10")
    head(opened, "year").click()
    head(opened, "year").click()
    wanted = "#explorer-accelerators?q=a&sort=year.desc&vendor=Ayla&memory_gib.min=10"
    until(lambda: opened.current_url.partition("#")[2], wanted[1:])
    address = opened.current_url
    visit(opened, address)
    until(lambda: names(opened), ["Delta", "Alpha 10"])
    assert one(opened, "input[type=search]").get_attribute("value") == "a"
    one(opened, ".explorer-state button").click()
    until(lambda: opened.current_url.partition("#")[2], "")


def test_a_link_that_nobody_wrote_does_no_harm(opened, small):
    tail = "q=%3Cimg%20src%3Dx%3E&sort=constructor.asc&vendor=Nobody&tdp_w.min=abc&__proto__=1&%E0%A4%A"
    visit(opened, f"{small}#explorer-accelerators?{tail}")
    assert state(opened) == "0 of 6 accelerators"
    one(opened, ".explorer-state button").click()
    assert names(opened) == ALL


def test_a_link_to_another_part_stays(opened, small):
    visit(opened, f"{small}#last")
    one(opened, "input[type=search]")
    time.sleep(0.4)
    assert opened.current_url.endswith("#last")


def test_names_that_act_are_shown(opened, tmp_path):
    rows = few()
    rows.loc[0, ["name", "vendor", "generation"]] = HOSTILE
    visit(opened, write(tmp_path, rows))
    assert names(opened)[0] == HOSTILE
    one(opened, "input[type=search]").send_keys("<img src")
    assert names(opened) == [HOSTILE]
    head(opened, "vendor").click()
    choose(opened, "vendor", HOSTILE)
    time.sleep(0.4)
    visit(opened, opened.current_url)
    assert names(opened) == [HOSTILE]
    assert opened.title == "Report"
    assert opened.execute_script("return document.querySelectorAll('.explorer img').length") == 0


def test_nothing_is_asked_for_but_the_page_and_its_figure(opened, small):
    opened.get_log("performance")
    visit(opened, small)
    head(opened, "year").click()
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = {m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"}
    folder = small.rpartition("/")[0]
    assert {url for url in asked if not url.startswith("about:")} == {small, f"{folder}/figures/report_f.svg"}


def fits(browser, width: int) -> bool:
    """Whether the page, with all of it unfolded, is no wider than a window of this width."""
    resize(browser, width)
    browser.execute_script("for (const part of document.querySelectorAll('details')) part.open = true")
    wide, window = browser.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    return wide <= window == width


@pytest.mark.parametrize("width", [1280, 375])
def test_the_page_is_no_wider_than_its_window(opened, width):
    assert fits(opened, width)
    # The table moves under its first column, which stays.
    first = "return document.querySelector('.explorer tbody th').getBoundingClientRect().left"
    before = opened.execute_script(first)
    moved = opened.execute_script(
        "const s = document.querySelector('.explorer-scroll'); s.scrollLeft = 200; return s.scrollLeft"
    )
    assert (moved > 0) == (width == 375)
    assert opened.execute_script(first) == before


def test_thousands_of_rows_are_searched_turned_and_printed(opened, large):
    visit(opened, large)
    assert state(opened) == "3,200 of 3,200 accelerators, 1 to 50 shown"
    took = opened.execute_script("""
        const search = document.querySelector("input[type=search]"), best = {};
        for (let turn = 0; turn < 4; turn++)
            for (const text of ["nvidia", "nvidia 12", ""]) {
                search.value = text;
                const start = performance.now();
                search.dispatchEvent(new Event("input"));
                document.body.offsetHeight; // laid out, too
                best[text] = Math.min(best[text] ?? Infinity, performance.now() - start);
            }
        return best;
    """)
    assert max(took.values()) < 100, took
    one(opened, ".dt-paging button.next").click()
    until(lambda: state(opened), "3,200 of 3,200 accelerators, 51 to 100 shown")
    assert len(names(opened)) == 50
    choose(opened, "vendor", "Huawei")
    n = sum(many()["vendor"] == "Huawei")
    until(lambda: state(opened), f"{n} of 3,200 accelerators, 1 to 50 shown")
    opened.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert len(names(opened)) == n
    opened.execute_script("dispatchEvent(new Event('afterprint'))")
    assert len(names(opened)) == 50
    assert fits(opened, 375)


def test_without_a_program_the_table_is_there(opened, small):
    opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        visit(opened, small)
        cells = opened.find_elements("css selector", ".explorer tbody th")
        assert [cell.text for cell in cells] == ALL
        assert not one(opened, ".explorer-tools").is_displayed()
        assert "JavaScript" in one(opened, ".explorer noscript").text
    finally:
        opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_dark_where_that_is_preferred_and_its_figures_lie_on_white(opened, small, scheme):
    preferred = [{"name": "prefers-color-scheme", "value": scheme}]
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preferred})
    try:
        visit(opened, small)
        paper, ink = (brightness(opened, "body", name) for name in ("background-color", "color"))
        assert (paper < ink) == (scheme == "dark")
        button = [brightness(opened, ".explorer button", name) for name in ("background-color", "color")]
        assert (button[0] < button[1]) == (scheme == "dark")
        if scheme == "dark":
            assert brightness(opened, "img", "background-color") == 255
    finally:
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def brightness(browser, selector: str, name: str) -> float:
    """Mean of red, green and blue of a colour, 0 to 255."""
    parts = re.findall(r"\d+", one(browser, selector).value_of_css_property(name))
    return sum(map(int, parts[:3])) / 3


def test_on_a_telephone_a_figure_keeps_its_size_and_the_page_does_not_move_sideways(opened, small):
    resize(opened, 375)
    visit(opened, small)
    assert fits(opened, 375)
    assert opened.execute_script("return document.querySelector('img').clientWidth") > 600
