"""The model behind the page: one future, or two beside each other, as Mesa's page plays it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mesa

from airan_market.analysis.dashboard import shock
from airan_market.analysis.dashboard.control import (
    NO_READING,
    READING,
    SEED,
    overrides,
    written,
)
from airan_market.analysis.dashboard.export import export
from airan_market.analysis.dashboard.future import Future, begun, gone_on
from airan_market.analysis.dynamics.forking import forked
from airan_market.analysis.exits import fault_lines, unexpected_line
from airan_market.scenarios import (
    Fault,
    InputError,
    PactScenario,
    Scenario,
    ScenarioError,
    ScenarioWarning,
    load_pact,
    load_scenario,
)
from airan_market.scenarios.seed import SEED_LIMIT

#: One market is played, or drawn, at a time: Matplotlib's settings are those of the process.
TURN = threading.RLock()
NO_EVENTS = "a PACT scenario has no events: change a setting and press Reset"


@dataclass(frozen=True)
class Asked:
    """What the page was started with.

    Attributes
    ----------
    scenario : Scenario or PactScenario
    seed : int
    runs : Path
        Where run directories are exported to.
    """

    scenario: Scenario | PactScenario
    seed: int = 1
    runs: Path = Path("runs")


class LiveModel(mesa.Model):
    """Futures of one market; Mesa's page makes it anew with other settings, and steps it.

    Whatever cannot be is told in `faults`, never raised: the page stays.

    Parameters
    ----------
    **kwargs
        `asked`, and values of the controls by their names (`analysis.dashboard.control`).

    Attributes
    ----------
    futures : list of Future
        A, and B after a fork; none where the settings are impossible.
    faults : list of str
        Why something cannot be, a line each.
    told : str
        What was done last.
    """

    scenario: Any = None  # a plain attribute: from 3.5 on Mesa gives models one of its own

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(rng=0)
        self.scenario = None
        self.asked: Asked = kwargs["asked"]
        self.futures: list[Future] = []
        self.faults: list[str] = []
        self.told = ""
        with TURN:
            self._try(lambda: self._begin(kwargs))
        self.running = bool(self.futures)

    def step(self) -> None:
        """Play a round of every future."""
        with TURN:
            self._try(self._step, keep=True)
            self.running = any(future.market.running for future in self.futures)

    @property
    def round(self) -> int:
        """Rounds played."""
        return self.futures[0].round if self.futures else 0

    def fork(self) -> None:
        """Let a second future begin here, equal so far."""
        if len(self.futures) == 1:
            with TURN:
                self._try(self._fork)

    def join(self, kept: int) -> None:
        """Go on with one of two futures."""
        with TURN:
            self.futures = [self.futures[kept]]
            self.futures[0].forked_after = None
            self.told = f"One future again: {'AB'[kept]}."

    def change(
        self, which: int, events: Sequence[str] = (), settings: str = "", said: str = ""
    ) -> None:
        """Change a future from its next round on, as `airan-market fork` does.

        Parameters
        ----------
        which : int
            0 for A, 1 for B.
        events : sequence of str
            Inline tables.
        settings : str
            `key=value`, with semicolons between.
        said : str
            What the change is, in words.
        """
        with TURN:
            self._try(lambda: self._change(which, events, settings, said))

    def surge(self, which: int, factor: float, rounds: int) -> None:
        """Let users ask for more for some rounds."""
        scenario = self.futures[which].scenario
        events = []
        if isinstance(scenario, Scenario):
            events = shock.surge(scenario, self.futures[which].round, factor, rounds)
        self.change(which, events, said=f"demand times {factor:g} for {rounds} rounds")

    def export(self, which: int, name: str = "") -> None:
        """Leave a future as a run directory."""

        def left() -> None:
            future = self.futures[which]
            place = export(future, self.asked.runs, name, TURN)
            self.told = f"{place}: {future.round} rounds, with report.html"

        self._try(left)

    def _begin(self, kwargs: dict[str, Any]) -> None:
        scenario, asked = self.asked.scenario, overrides(self.asked.scenario, kwargs)
        reading = kwargs.get(READING, NO_READING)
        doubts: list[str] = []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ScenarioWarning)
            changed: Scenario | PactScenario
            if isinstance(scenario, Scenario):
                laid = None if reading == NO_READING else reading
                changed = load_scenario(scenario, asked, reading=laid)
            else:
                changed = load_pact(scenario, asked)
            doubts = [f"Doubtful: {doubt.message}" for doubt in caught]
        changed = scenario if changed == scenario else changed
        future = begun(changed, _seed(kwargs.get(SEED, self.asked.seed)))
        self.futures, self.told = [future], " ".join([*doubts, *future.market.notes])

    def _step(self) -> None:
        for future in self.futures:
            future.step()

    def _fork(self) -> None:
        (a,) = self.futures
        b = gone_on(a, a.scenario)
        a.forked_after = b.forked_after = a.round
        self.futures = [a, b]
        self.told = f"Two futures after round {a.round}: A as it was, B to be changed."

    def _change(self, which: int, events: Sequence[str], settings: str, said: str) -> None:
        future = self.futures[which]
        if not isinstance(future.scenario, Scenario):
            raise InputError(NO_EVENTS)
        try:
            scenario = forked(future.scenario, future.round, written(settings), events)
        except ScenarioError as error:
            faults = [
                replace(fault, source=f"after round {future.round}") for fault in error.faults
            ]
            raise ScenarioError(faults) from error
        self.futures[which] = gone_on(future, scenario)
        whose = f"{'AB'[which]}: " if len(self.futures) > 1 else ""
        self.told = f"From round {future.round + 1} on, {whose}{said or settings}."

    def _try(self, act: Any, *, keep: bool = False) -> None:
        """Do something; what hinders it is told, and nothing else changes."""
        self.faults = self.faults if keep else []
        try:
            act()
        except (InputError, ValueError, OSError) as error:
            self.faults = fault_lines(error)
        except Exception as error:
            self.faults = [unexpected_line(error)]


def _seed(text: Any) -> int:
    """The seed that somebody wrote.

    Examples
    --------
    >>> _seed(" 7 ")
    7
    """
    word = str(text).strip()
    if not (word.isascii() and word.isdigit() and int(word) < SEED_LIMIT):
        allowed = "must be a whole number from 0 on, below 2**128"
        raise ScenarioError([Fault("seed", "", word, allowed)])
    return int(word)
