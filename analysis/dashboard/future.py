"""A future of a market: played round by round, and gone on with after a change of its scenario."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

import pandas as pd

from airan_market.agents.market.model import Market
from airan_market.agents.pact.run.model import PactSimulation
from airan_market.agents.rounds.snapshot import SnapshotError
from airan_market.analysis.expectation import Expectation, require_room
from airan_market.analysis.store.tally import COUNTS, KEYS, tally
from airan_market.scenarios import Fault, PactScenario, Scenario, ScenarioError

if TYPE_CHECKING:
    from airan_market.agents.rounds.model import RoundModel


@dataclass
class Count:
    """Tasks of a market counted as they end; the tasks themselves are not kept.

    Attributes
    ----------
    table : DataFrame
        As `analysis.store.tally.tally` gives it.
    """

    table: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*KEYS, *COUNTS]))

    def take(self, tasks: pd.DataFrame) -> None:
        """Add tasks that ended."""
        parts = [part for part in (self.table, tally(tasks)) if len(part)]
        if parts:
            self.table = pd.concat(parts).groupby(KEYS, as_index=False)[COUNTS].sum()


@dataclass
class Future:
    """One scenario with one seed, as far as it is played.

    Attributes
    ----------
    scenario : Scenario or PactScenario
    seed : int
    market : RoundModel
    count : Count
        Tasks so far, of a market that is not PACT's.
    forked_after : int or None
        Round after which it is another than the future it came from.
    """

    scenario: Scenario | PactScenario
    seed: int
    market: RoundModel
    count: Count
    forked_after: int | None = None

    @property
    def round(self) -> int:
        """Rounds played."""
        return self.market.round

    @property
    def names(self) -> list[str]:
        """Of the operators, or of the services that a PACT run numbers."""
        if isinstance(self.market, PactSimulation):
            return list(self.market.catalogue.names)
        return [operator.name for operator in self.scenario.operators]  # type: ignore[union-attr]

    def tables(self) -> Any:
        """Tables of the rounds played."""
        return self.market.tables()

    def step(self) -> None:
        """Play a round; nothing when all are played."""
        if self.market.running:
            self.market.step()


def begun(scenario: Scenario | PactScenario, seed: int) -> Future:
    """A future of which no round is played.

    Raises
    ------
    ScenarioError
        When the scenario cannot be played: fractional users, or more tasks than memory holds.
    """
    count = Count()
    if isinstance(scenario, Scenario):
        if not scenario.users.whole_users:
            fault = "must be true: traffic comes from whole users"
            raise ScenarioError([Fault(scenario.name, "users.whole_users", "false", fault)])
        market: RoundModel = Market(scenario, seed, task_sink=count.take)
    else:
        # capacity takes a search of many runs: it is for those who ask for the run directory
        market = PactSimulation(scenario, seed, task_sink=_forget, capacity=False)
    horizon_s = scenario.simulation.horizon_s
    require_room(Expectation.of(market), scenario.name, horizon_s, Path(gettempdir()))
    return Future(scenario, seed, market, count)


def _forget(tasks: pd.DataFrame) -> None:
    """Requests are counted by the market itself."""


def gone_on(past: Future, scenario: Scenario | PactScenario) -> Future:
    """Go on from where a future stands by another scenario, equal up to there.

    The new one takes up the state of the old; where its users are not the same ones, its rounds are
    played again. Both ways end in the same tables, as `tests/analysis/dashboard` hold.

    Parameters
    ----------
    past : Future
    scenario : Scenario or PactScenario
        As `analysis.dynamics.forking.forked` makes it, or the same.
    """
    new = begun(scenario, past.seed)
    new.forked_after = past.forked_after
    if past.round == 0:
        return new
    if _alike(past.market, new.market):
        try:
            new.market.restore(past.market.snapshot())
        except SnapshotError:
            new = begun(scenario, past.seed)
        else:
            new.count.table = past.count.table
            return new
    while new.round < past.round:
        new.step()
    return new


def _alike(one: RoundModel, two: RoundModel) -> bool:
    """Whether the users of two markets are the same, number by number."""
    if isinstance(one, Market) and isinstance(two, Market):
        return one.timeline.pool.tolist() == two.timeline.pool.tolist()
    return one.scenario == two.scenario
