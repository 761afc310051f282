"""Ten minutes of play do not make the server grow: the check in plain Python, then the page.

A process that leaks grows by the same in every minute. One that does not fills its caches and
levels off: its memory in the last quarter of the time is what it was in the quarter before.
"""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MINUTES = 10.0
#: Growth that is none, as a part of the memory: from the third quarter of the time to the last.
#: What is smaller is not seen: of 300 MB, 6 MB a quarter, which is 0.6 MB a minute; on a busy
#: machine that plays 25 rounds in a quarter, a leak of a quarter of a megabyte a round.
TOLERANCE = 0.02
LEAST_ROUNDS = 5  # seen in every quarter, or flat memory would only mean that nothing is played


def growth(memory_mb: Sequence[float]) -> float:
    """Median of the last quarter over that of the third, less 1.

    Examples
    --------
    >>> growth([100, 200, 240, 250, 250, 250, 250, 250])
    0.0
    """
    quarter = len(memory_mb) // 4
    third, last = (
        sorted(part)[len(part) // 2]
        for part in (memory_mb[2 * quarter : 3 * quarter], memory_mb[3 * quarter :])
    )
    return last / third - 1


def levels_off(memory_mb: Sequence[float]) -> bool:
    """Whether a process stops growing."""
    return growth(memory_mb) <= TOLERANCE


def test_a_process_that_fills_its_caches_levels_off() -> None:
    warming = [400 - 150 * 0.5 ** (second / 60) for second in range(600)]
    waves = [value + 5 * (second % 20) / 20 for second, value in enumerate(warming)]
    assert levels_off(waves)


@pytest.mark.parametrize("leak_mb_per_s", [0.1, 0.5, 2.0])
def test_control_a_process_that_leaks_does_not(leak_mb_per_s) -> None:
    warming = [400 - 150 * 0.5 ** (second / 60) for second in range(600)]
    leaking = [value + leak_mb_per_s * second for second, value in enumerate(warming)]
    assert not levels_off(leaking)


def resident_mb(process: int) -> float:
    """Resident memory of a process, MB; without the pages that it shares as files."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def test_the_memory_of_this_process_is_seen() -> None:
    before, held = resident_mb(_own()), bytearray(64 * 2**20)
    assert resident_mb(_own()) - before > 60
    del held


def _own() -> int:
    return int(Path("/proc/self").readlink().name)


def test_control_a_page_that_stops_playing_is_seen() -> None:
    stopped = [second // 5 for second in range(300)] + [60] * 300
    assert min(in_quarters(stopped)) < LEAST_ROUNDS
    assert min(in_quarters([second // 5 for second in range(600)])) >= LEAST_ROUNDS


@pytest.mark.long
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with its driver here")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ten_minutes_of_play_do_not_leak(tmp_path) -> None:
    """Played without an end: when its rounds are over, a market is begun again."""
    webdriver = pytest.importorskip("selenium.webdriver")
    command = [
        Path(sys.executable).with_name("airan-market"), "dashboard", "teleoperation", "--port", "0",
        "--no-open", "--out", tmp_path, "--set", "simulation.horizon_s=1",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as server:
        try:
            browser = opened(webdriver, address(server))
            try:
                memory_mb, rounds = played(browser, lambda: resident_mb(server.pid))
            finally:
                browser.quit()
        finally:
            server.terminate()
            server.communicate()
    told = ", ".join(f"{value:.0f}" for value in memory_mb[:: max(1, len(memory_mb) // 20)])
    counts = in_quarters(rounds)
    print(f"{len(memory_mb)} looks, MB: {told}; growth {growth(memory_mb):+.2%}; rounds {counts}")
    assert min(counts) >= LEAST_ROUNDS
    assert levels_off(memory_mb), told


def address(server: subprocess.Popen[str]) -> str:
    """Where the page is, when it can be opened."""
    assert server.stderr is not None
    for line in server.stderr:
        if found := re.search(r"the page is at (\S+?),", line):
            return found[1]
    raise AssertionError("the server ended")


def opened(webdriver, url: str):
    """A browser with the page."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                 "--disable-background-networking", "--window-size=1280,1800"):  # fmt: skip
        options.add_argument(flag)
    browser = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=DRIVER)
    )
    browser.get(url)
    return browser


def in_quarters(rounds: Sequence[int]) -> list[int]:
    """How often the round changed in each quarter of the looks.

    Examples
    --------
    >>> in_quarters([1, 2, 3, 4, 4, 5, 6, 6, 6, 6, 0, 1])
    [2, 1, 0, 2]
    """
    changed = [one != other for one, other in pairwise(rounds)]
    quarter = len(rounds) // 4
    return [sum(changed[k * quarter : (k + 1) * quarter - 1]) for k in range(4)]


def played(
    browser, look: Callable[[], float], minutes: float = MINUTES
) -> tuple[list[float], list[int]]:
    """Press Play, and Reset when the rounds are over; memory and round, every second or so."""
    end_s, memory_mb, rounds = time.monotonic() + 60 * minutes, [], []
    while time.monotonic() < end_s:
        text = str(browser.execute_script("return document.body.innerText"))
        now = re.search(r"Round (\d+) of (\d+)", text)
        if now is not None:
            rounds.append(int(now[1]))
            if now[1] == now[2]:
                press(browser, "reset")
            else:
                press(browser, "▶")  # which is there while nothing is played
            memory_mb.append(look())
        time.sleep(1.0)
    return memory_mb, rounds


def press(browser, name: str) -> None:
    """Press a button, if it is there."""
    for button in browser.find_elements("tag name", "button"):
        if button.text.strip().lower() == name:
            browser.execute_script("arguments[0].click()", button)
            return
