"""What a run's path in time says: a part of its summary, a figure, sentences."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from airan_market.agents.world.timeline import Timeline, text
from airan_market.analysis.dynamics.measures import (
    BAND,
    FALSE_ALARM,
    borne_by_type,
    concentration,
    cycle,
    shocks,
    static_welfare,
)
from airan_market.analysis.store.reader import Run
from airan_market.analysis.wording import capital, number, probability
from airan_market.scenarios import Scenario
from airan_market.sim.arrays import FloatArray


def moves(scenario: Scenario) -> bool:
    """Whether a scenario asks for more than one algorithm's way to its outcome."""
    asked = scenario.events, scenario.ran, scenario.users.rhythm, scenario.users.strategy
    strategies = [operator.strategy for operator in scenario.operators]
    return any(part is not None for part in (*asked, *strategies)) or (
        scenario.mechanism.iterations_per_round is not None
    )


class Story:
    """The path of a run.

    Parameters
    ----------
    run : Run
        Of a market whose scenario `moves`.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.scenario = run, run.scenario
        simulation = self.scenario.simulation
        spans = [simulation.warmup_s, *[simulation.horizon_s] * simulation.rounds]
        self._starts_s = np.concatenate([[0.0], np.cumsum(spans)])
        assert run.manifest.seed is not None  # every run has one
        self.timeline = Timeline(self.scenario, run.manifest.seed, self._starts_s)
        self.played = run.manifest.rounds
        self.static_usd_per_s = static_welfare(self.scenario, self.timeline)[: self.played]
        market = run.market.sort_values("round")
        self.expected_usd_per_s = market["social_welfare_expected_usd_per_s"].to_numpy()
        self.realised_usd_per_s = market["social_welfare_realised_usd_per_s"].to_numpy()

    @property
    def events(self) -> list[tuple[float, str]]:
        """Place on the axis of rounds, and what happens there."""
        warm_s, round_s = self._starts_s[1], self.scenario.simulation.horizon_s
        return [
            (0.5 if time == 0 else 0.5 + max(time - warm_s, 0.0) / round_s, text(event))
            for time, event in self.timeline.events
        ]

    @property
    def ran_gpus(self) -> FloatArray | None:
        """GPU instances of the RAN, means of rounds, (rounds, M)."""
        return None if not self.timeline.ran else self._ran()[..., 0]

    def _ran(self) -> FloatArray:
        edges = zip(self._starts_s[1:-1], self._starts_s[2:], strict=True)
        return np.array([[c.between(*span) for c in self.timeline.ran] for span in edges])

    def summary(self) -> dict[str, Any]:
        """Plain numbers for `summary.json`; rounds, operators and types count from 1."""
        changes: dict[int, tuple[str, ...]] = {}
        for place, said in self.events:
            first = min(int(np.floor(place + 0.5 + 1e-9)), self.played)
            # what happens inside a round is met by agents in the next
            whole = abs(place - 0.5 - round(place - 0.5)) < 1e-9
            first = max(1, first if whole else min(first + 1, self.played))
            changes[first] = (*changes.get(first, ()), said)
        after = shocks(self.expected_usd_per_s, sorted(changes.items()))
        users = self.run.rounds.pivot_table(index="round", columns="operator", values="users",
                                            aggfunc="sum").to_numpy(dtype=float)  # fmt: skip
        first = min(changes, default=1)
        content: dict[str, Any] = {
            "shocks": [asdict(shock) | {"events": list(shock.events)} for shock in after],
            "settled_within": BAND,
            # since the last change: a step up and down is no cycle
            "cycle_rounds": cycle(self.expected_usd_per_s[max(changes, default=1) - 1 :]),
            "cycle_false_alarm": FALSE_ALARM,
            "welfare_if_settled_usd_per_s": self.static_usd_per_s.tolist(),
            "lost_usd_per_s": {
                "expected": float((self.static_usd_per_s - self.expected_usd_per_s).mean()),
                "realised": float((self.static_usd_per_s - self.realised_usd_per_s).mean()),
            },
            "concentration": concentration(users).tolist(),
            "borne_by_type": borne_by_type(self.run.rounds, first).to_dict("records"),
        }
        if self.timeline.ran:
            ran = self._ran()[: self.played]
            content["ran"] = {
                "policy": self.scenario.ran.policy.kind if self.scenario.ran else None,
                "gpus": ran[..., 0].mean(axis=0).tolist(),
                "short_part": ran[..., 1].mean(axis=0).tolist(),
            }
        return content

    def figure(self) -> Figure:
        """The market over time."""
        from airan_market.analysis.dynamics.figure import over_time

        lost = float((self.static_usd_per_s - self.realised_usd_per_s).mean())
        last = int(self.run.rounds["type"].max())
        late = self.run.rounds.groupby("type")[["violations", "tasks"]].sum()
        part = late["violations"] / late["tasks"].where(late["tasks"] > 0)
        title = (
            f"Welfare is {_below(lost)} than if menus had settled in every round; late are "
            f"{probability(part.loc[1])} of the tasks of type 1, {probability(part.loc[last])} of "
            f"type {last}"
        )
        return over_time(
            self.run.rounds, self.run.market, self.run.operators,
            [operator.name for operator in self.scenario.operators],
            self.events, static=self.static_usd_per_s.tolist(), ran_gpus=self.ran_gpus, title=title,
        )  # fmt: skip


def _below(lost: float) -> str:
    """A loss in words.

    Examples
    --------
    >>> _below(0.25), _below(-0.5)
    ('0.25 USD/s lower', '0.5 USD/s higher')
    """
    return f"{number(abs(lost), 3)} USD/s {'lower' if lost >= 0 else 'higher'}"


def sentences(summary: dict[str, Any]) -> list[str]:
    """The path of a run in a few sentences, read off its summary."""
    said = []
    for shock in summary["shocks"]:
        after = shock["settled_after"]
        how = (
            "had not settled before the next change or the end"
            if after is None
            else f"settled within {100 * summary['settled_within']:g}% after {after} rounds"
        )
        over = shock["overshoot"]
        beyond = (
            f", overshooting by {probability(over)} of the step" if over and over > 0.01 else ""
        )
        said.append(
            f"{capital('; '.join(shock['events']))} (round {shock['round']}): expected welfare "
            f"{how}{beyond}."
        )
    period = summary["cycle_rounds"]
    if period is not None:
        said.append(
            f"Expected welfare goes round in a cycle of {number(period, 3)} rounds (false-alarm "
            f"rate {summary['cycle_false_alarm']:g})."
        )
    lost = summary["lost_usd_per_s"]
    said.append(
        f"Realised welfare is {_below(lost['realised'])} than with menus settled under the "
        f"conditions of every round, expected welfare {_below(lost['expected'])}."
    )
    if "ran" in summary:
        ran = summary["ran"]
        gpus = ", ".join(number(value, 3) for value in ran["gpus"])
        short = ", ".join(probability(value) for value in ran["short_part"])
        said.append(
            f"The RAN ({ran['policy']}) had {gpus} GPU instances of the operators, in their "
            f"order, on average; it had too few {short} of the time."
        )
    return said
