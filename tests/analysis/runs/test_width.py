"""Reports in a browser: no page is wider than the screen, and no table is cut off on a desk."""

import shutil
from pathlib import Path

import pytest

from airan_market.agents.pact import solve_pact
from airan_market.analysis.pact.publish import publish
from airan_market.analysis.play import play
from airan_market.scenarios import load_pact, load_scenario

webdriver = pytest.importorskip("selenium.webdriver")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with its driver here"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
WIDER = """
const wide = document.documentElement.clientWidth, found = [];
for (const element of document.querySelectorAll(arguments[0]))
  if (element.getBoundingClientRect().right > wide + 1
      && (arguments[1] || !element.closest(".scroll, pre")))
    found.push(element.outerHTML.slice(0, 80));
return found;
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    short = ["simulation.rounds=2", "simulation.horizon_s=1"]
    return play(load_scenario("ran_takes_gpus", short), 1, tmp_path_factory.mktemp("w") / "r").path


@pytest.fixture(scope="module")
def menu(tmp_path_factory) -> Path:
    scenario = load_pact("pact")
    return publish(scenario, solve_pact(scenario), tmp_path_factory.mktemp("w") / "menu")


@pytest.fixture(params=["run", "menu"])
def page(request) -> str:
    return (request.getfixturevalue(request.param) / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                 "--disable-background-networking"):  # fmt: skip
        options.add_argument(flag)
    made = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=DRIVER)
    )
    yield made
    made.quit()


def looked_at(browser, page: str, width: int) -> None:
    size = {"width": width, "height": 1400, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page)


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_page(browser, page, width) -> None:
    looked_at(browser, page, width)
    assert browser.execute_script(WIDER, "body *", False) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    browser.execute_script("document.querySelector('h1').style.width = '2000px'")
    assert browser.execute_script(WIDER, "body *", False) != []  # this would be seen


def test_no_table_is_cut_off_on_a_desk(browser, page) -> None:
    looked_at(browser, page, 1280)
    assert browser.execute_script(WIDER, "body *", True) == []


def test_the_first_two_sentences_are_the_question_and_the_answer(browser, page) -> None:
    looked_at(browser, page, 1280)
    told = [p.text for p in browser.find_elements("css selector", ".headline p")]
    assert told[0].endswith("?")
    assert told[1].startswith(("Of 1,000 tasks ", "By the menu "))


def test_every_picture_says_what_it_shows(browser, page) -> None:
    """Alternative texts name the axes that are drawn, and no two are the same."""
    looked_at(browser, page, 1280)
    told = [img.get_attribute("alt") for img in browser.find_elements("tag name", "img")]
    assert len(told) == len(set(told)) > 4
    assert [text for text in told if "Axes: " not in text or " over " not in text] == []
