"""Reports in a browser: no page is wider than the screen, and no table is cut off on a desk."""

import shutil
from pathlib import Path

import pytest

from airan_market.agents.pact import solve_pact
from airan_market.analysis.cli.program import invoke
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


SHORT = ("--rounds", "2", "--horizon", "1")
LONG = pytest.mark.long
#: A page of every other kind, by the command that leaves it, with as little computing as it takes.
COMMANDS = [
    pytest.param("run quality_types", SHORT, id="qualities"),
    pytest.param("reproduce", ("--only", "fig3", "--draws", "1", "--workers", "1"), id="paper"),
    pytest.param("sweep SWEEP", ("--workers", "1"), id="sweep"),
    pytest.param("run several_services", SHORT, id="services", marks=LONG),
    pytest.param("run batching_tokens", SHORT, id="tokens", marks=LONG),
    pytest.param("run pact", ("--rounds", "2", "--horizon", "5"), id="pact", marks=LONG),
    pytest.param("validate bound_fails", ("--tasks", "20000"), id="validation", marks=LONG),
    pytest.param(
        "questions", ("--only", "anarchy", "--draws", "1", "--workers", "1"), id="questions",
        marks=LONG,
    ),
    pytest.param(
        "equilibrium teleoperation",
        ("--starts", "1", "--no-studies", "--replications", "2", "--rounds", "3", "--workers", "1"),
        id="equilibrium", marks=LONG,
    ),
]  # fmt: skip
SWEEP = """# Does more demand raise welfare?
scenario = "teleoperation"
mechanisms = ["mixed", "mc"]
[grid]
"users.total" = [20, 30]
"economics.refund_usd" = [6e-5, 18e-5]
"""


@pytest.mark.usefixtures("sketched")
@pytest.mark.parametrize(("command", "options"), COMMANDS)
def test_no_other_page_is_wider(browser, tmp_path, command, options) -> None:
    """Each is made once and looked at in all three widths."""
    (tmp_path / "s.toml").write_text(SWEEP)
    words = command.replace("SWEEP", str(tmp_path / "s.toml")).split()
    assert invoke([*words, *options, "--out", str(tmp_path / "out"), "-q"]) == 0
    page = (tmp_path / "out" / "report.html").as_uri()
    for width in (390, 768, 1280):
        looked_at(browser, page, width)
        assert browser.execute_script(WIDER, "body *", width == 1280) == []
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    told = [p.text for p in browser.find_elements("css selector", ".headline p")]
    assert told[0].endswith("?")
