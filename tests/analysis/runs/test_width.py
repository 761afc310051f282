"""Reports in a browser: no page is wider than the screen, and no table of a run is cut off."""

import shutil

import pytest

from airan_market.analysis.play import play
from airan_market.scenarios import load_scenario

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
def page(tmp_path_factory) -> str:
    short = ["simulation.rounds=2", "simulation.horizon_s=1"]
    out = tmp_path_factory.mktemp("width") / "run"
    return (play(load_scenario("ran_takes_gpus", short), 1, out).path / "report.html").as_uri()


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
    assert told[1].startswith("Of 1,000 tasks ")
