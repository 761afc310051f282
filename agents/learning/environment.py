"""The simulated market as a PettingZoo environment: operators act, traffic answers (extra `rl`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.price import priced_menu
from airan_market.agents.market.announcement import Announcement
from airan_market.agents.market.model import Market
from airan_market.agents.market.operator import OperatorAgent
from airan_market.agents.matching.load import cumulative_load
from airan_market.agents.rounds.model import asked_for
from airan_market.scenarios import Scenario, load_scenario
from airan_market.sim.arrays import FloatArray

SCALES = (0.25, 4.0)  # of the latencies that Algorithm 1 designs, at actions -1 and 1


class Led(OperatorAgent):
    """An operator that is told how to change the menu of Algorithm 1: its latencies, its margin."""

    scale = 1.0
    margin_usd = 0.0

    def announce(self) -> Announcement:
        """The menu designed for the expected load, with other latencies, priced by (25)."""
        designed = super().announce()
        return replace(designed, menu=self.changed(designed.menu))

    def changed(self, menu: Menu) -> Menu:
        """Scaled, within the latencies that the mechanism allows, and priced with the margin."""
        rules = self.primitives.mechanism
        latency_s = np.clip(self.scale * menu.latency_s, rules.latency_min_s, rules.latency_max_s)
        own = replace(self.primitives, own_margin_usd=np.array(self.margin_usd))
        load = cumulative_load(self.match_probability, own.demand_per_s)
        return priced_menu(own, operator_belief(own, load), latency_s)


def market_env(scenario: Scenario | str | Path = "teleoperation", **settings: Any) -> Any:
    """A parallel environment whose agents are the operators and whose steps are rounds.

    Action, (2,) of numbers from -1 to 1: the scale of the latencies that Algorithm 1 designs, from
    a quarter (-1) over 1 (0) to four times (1); and the margin, from 0 (-1) to the service value
    (1). Observation: the menus on the board, (M, 2, N), latencies over the longest allowed and
    prices over the service value, then own tasks and broken promises by item, over the tasks that
    all users ask for in a round: what others announce, and one's own records. Reward: what the
    round left the operator by the ledger, USD/s, violations known so far. All operators are
    truncated after the last round of the scenario.

    Parameters
    ----------
    scenario : Scenario, str or Path
        A market with the mechanism "mixed".
    **settings
        As those of `Market`.

    Raises
    ------
    ImportError
        Without PettingZoo (`pip install airan-market[rl]`).
    ValueError
        With a mechanism that settles menus by itself.

    Examples
    --------
    >>> env = market_env(**{"simulation.rounds": 2, "simulation.horizon_s": 0.2})
    >>> seen, _ = env.reset(seed=1)
    >>> plain = {agent: np.array([0.0, -1.0], np.float32) for agent in env.agents}
    >>> _, reward, _, over, _ = env.step(plain)
    >>> sorted(reward), any(over.values()), seen["operator 1"].shape
    (['operator 1', 'operator 2', 'operator 3'], False, (64,))
    """
    from gymnasium.spaces import Box
    from pettingzoo import ParallelEnv

    given = asked_for(scenario, settings, Scenario, load_scenario)
    if given.mechanism.name != "mixed":
        raise ValueError(f"mechanism.name = {given.mechanism.name!r}: must be 'mixed'")

    if given.folded.services is not None:
        raise ValueError("services: the environment knows markets of one service only")

    class MarketEnv(ParallelEnv):
        """Operators of one scenario; see `market_env`."""

        metadata = {"name": "airan_market_v0", "render_modes": []}  # noqa: RUF012 - its own way
        render_mode = None

        def __init__(self) -> None:
            self.possible_agents = [o.name for o in given.operators]
            self.agents: list[str] = []
            size = 2 * len(self.possible_agents) * len(given.users.latency_sensitivity_usd_per_s)
            size += 2 * len(given.users.latency_sensitivity_usd_per_s)
            self._seen = Box(-np.inf, np.inf, (size,), np.float32)
            self._asked = {name: Box(-1.0, 1.0, (2,), np.float32) for name in self.possible_agents}
            self._watched = dict.fromkeys(self.possible_agents, self._seen)
            self._seeds = np.random.default_rng()
            self.market: Market

        def observation_space(self, agent: str) -> Any:
            return self._watched[agent]

        def action_space(self, agent: str) -> Any:
            return self._asked[agent]

        def reset(self, seed: int | None = None, options: Any = None) -> Any:
            """Begin again: with a seed, the run of that seed; without, one of the next."""
            if seed is not None:
                self._seeds = np.random.default_rng(seed)
            number = seed if seed is not None else int(self._seeds.integers(2**31))
            self.market = Market(given, number, _forget, operator_class=Led)
            self.agents = list(self.possible_agents)
            return self._observations(), {name: {} for name in self.agents}

        def step(self, actions: dict[str, FloatArray]) -> Any:
            """Play a round with these actions."""
            market, value = self.market, self.market.primitives.service_value_usd
            for m, (operator, name) in enumerate(
                zip(market.operators, self.possible_agents, strict=True)
            ):
                scale, margin = (float(x) for x in np.clip(actions[name], -1.0, 1.0))
                operator.scale = SCALES[1] ** scale
                operator.margin_usd = (margin + 1) / 2 * float(value[m])
            market.step()
            kept = market.clearing.ledger.operator_balance_usd()[market.round].sum(axis=-1)
            earned = kept / given.simulation.horizon_s
            seen, names = self._observations(), self.agents
            over = not market.running
            rewards = {name: float(usd) for name, usd in zip(names, earned, strict=True)}
            ended = dict.fromkeys(names, over)
            if over:
                market.close()
                self.agents = []
            said: dict[str, dict[str, Any]] = {name: {} for name in names}
            return seen, rewards, dict.fromkeys(names, False), ended, said

        def _observations(self) -> dict[str, FloatArray]:
            market = self.market
            types, rules = market.primitives.types, market.primitives.mechanism
            asked = market.primitives.demand_per_s.sum() * given.simulation.horizon_s
            if market.agreed:
                menu = market.terms.board.menu
                value = market.primitives.service_value_usd[:, np.newaxis]
                board = np.stack([menu.latency_s / rules.latency_max_s, menu.price_usd / value], 1)
            else:
                board = np.zeros((market.primitives.operators, 2, types))
            return {
                operator.name_: np.concatenate(
                    [board.ravel(), operator.tasks / asked, operator.violations / asked]
                ).astype(np.float32)
                for operator in _named(market, self.possible_agents)
            }

        def render(self) -> None:
            """Nothing is drawn."""

        def close(self) -> None:
            """Nothing is held."""

    return MarketEnv()


def _named(market: Market, names: list[str]) -> list[Any]:
    found = list(market.operators)
    for operator, name in zip(found, names, strict=True):
        operator.name_ = name
    return found


def _forget(table: Any) -> None:
    """What happens to the tasks of a round: an environment keeps none."""
