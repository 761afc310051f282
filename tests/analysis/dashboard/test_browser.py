"""The page in headless Chromium, as a user meets it; skipped by name where there is none."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
pytest.importorskip("solara")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with its driver here"),
    # Selenium leaves its sockets to the collector of garbage
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1280,1800",
)  # fmt: skip
PATIENCE_S = 120.0


class Tab:
    """A browser with one page of the dashboard."""

    def __init__(self, url: str) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in FLAGS:
            options.add_argument(flag)
        service = webdriver.ChromeService(executable_path=DRIVER)
        self.browser = webdriver.Chrome(options=options, service=service)
        self.browser.get(url)
        self.until("Round 0 of")

    @property
    def text(self) -> str:
        """What is to be read, and nothing while it is drawn anew."""
        return str(self.browser.execute_script("return document.body.innerText"))

    def until(self, wanted: str | Callable[[str], bool]) -> str:
        """Wait for a text; returns the whole page."""
        found = wanted if callable(wanted) else lambda text: wanted in text
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            text = self.text
            if found(text):
                return text
            time.sleep(0.2)
        raise AssertionError(f"{wanted} did not come: {self.text}")

    def press(self, name: str) -> None:
        """Press a button."""
        for button in self.browser.find_elements("tag name", "button"):
            if button.text.strip().lower() == name:
                button.click()
                return
        raise AssertionError(f"no button {name}")

    def slide(self, label: str, keys: str) -> None:
        """Move a slider by keys."""
        path = f"//label[contains(., '{label}')]/following::div[@role='slider'][1]"
        inputs = self.browser.find_elements("xpath", path) or self.browser.find_elements(
            "xpath", f"//label[contains(., '{label}')]/following::*[@tabindex='0'][1]"
        )
        inputs[0].send_keys(keys)

    def write(self, label: str, text: str) -> None:
        """Write into a field, and leave it."""
        path = f"//label[contains(., '{label}')]/following::input[1]"
        field = self.browser.find_element("xpath", path)
        field.send_keys(text)
        field.send_keys("\ue007")

    def requests(self) -> list[str]:
        """Hosts that the page asked for anything."""
        script = "return performance.getEntriesByType('resource').map(e => new URL(e.name).host)"
        return sorted(set(self.browser.execute_script(script)))


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("dashboard")
    command = [
        Path(sys.executable).with_name("airan-market"), "dashboard", "teleoperation", "--port", "0",
        "--no-open", "--out", place, "--set", "simulation.horizon_s=1",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if found := re.search(r"the page is at (\S+?),", line):
                yield found[1]
                break
        server.terminate()
        server.communicate()


@pytest.fixture
def tab(url) -> Iterator[Tab]:
    made = Tab(url)
    yield made
    made.browser.quit()


def test_it_loads_steps_and_asks_nobody_else(tab, url) -> None:
    tab.press("step")
    tab.until(lambda text: "Round 1 of" in text and "Welfare" in text)
    assert tab.requests() == [url.removeprefix("http://").strip("/")]


def test_a_slider_changes_the_outcome(tab) -> None:
    played = "Round 1 of", "Welfare"
    tab.press("step")
    before = tab.until(lambda text: all(part in text for part in played))
    assert "users 150" in before
    tab.slide("users", "\ue014" * 5)  # arrow to the right
    tab.press("reset")
    tab.until(lambda text: "Round 0 of" in text and "users 155" in text)
    tab.press("step")
    after = tab.until(lambda text: all(part in text for part in played))
    assert re.findall(r"Welfare \S+", before) != re.findall(r"Welfare \S+", after)


def test_an_impossible_setting_says_why_and_the_page_stays(tab) -> None:
    tab.write("other settings", "economics.refund_usd=-1")
    tab.press("reset")
    tab.until("economics.refund_usd = -1")
    tab.write("other settings", "; economics.refund_usd=2e-4")
    tab.press("reset")
    tab.until("Round 0 of")
    tab.press("step")
    tab.until("Round 1 of")


def test_two_tabs_do_not_share_their_state(tab, url) -> None:
    other = Tab(url)
    try:
        tab.press("step")
        tab.until("Round 1 of")
        assert "Round 0 of" in other.text
    finally:
        other.browser.quit()


def test_a_shock_goes_to_the_future_that_is_chosen(tab) -> None:
    tab.press("step")
    tab.until("Round 1 of")
    tab.press("fork here")
    tab.until("Two futures after round 1")
    tab.press("fail")
    tab.until("From round 2 on, B: operator 1 has failed")
    tab.press("step")
    tab.until(lambda text: "Round 2 of" in text and "less welfare than A" in text)
