"""What a provider runs: for every service its stations, its promise and what a request costs.

A request passes three stations of its service, transmission, tokenisation and inference, (1)–(3),
each with parallel servers, first come first served. Arrays are (S,) over the services of all tasks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from airan_market.agents.pact.market import PactMarket
from airan_market.agents.pact.service.latency import (
    inference_s,
    tokenisation_s,
    tokens,
    transmission_s,
)
from airan_market.agents.pact.service.services import (
    numbered_services,
    request_flop,
    satisfaction_weight,
)
from airan_market.scenarios import Fault, PactScenario, ScenarioError
from airan_market.scenarios.schema.pact import PactService, PactTask
from airan_market.sim.arrays import FloatArray, IntArray

STATIONS = ("transmission", "tokenisation", "inference")
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Services of all tasks, one after another.

    Attributes
    ----------
    names : tuple of str
    market : array of int
        0-based task Φ that a service belongs to.
    parts_s : array (S, 3, 2)
        Mean time of a request at a server of each station, s: the part that grows with the size of
        the input, and that of the output.
    servers : array (S, 3) of int
    quality, latency_s, satisfaction : array
        What is promised: q, T and A. A of a service described directly is the one with which its
        latency gives its quality, A = (q − (1 − δ)(1 − T))/δ by (6).
    satisfaction_weight, speed_weight : array
        What a unit of A and of 1 − T adds to q.
    computation_usd, fixed_usd : array
        Cost of a request of mean size: what grows with its computation, and the rest. A cost given
        directly is fixed.
    liability_usd : array
        c_l times the liability level: the expected damages of a request.
    """

    names: tuple[str, ...]
    market: IntArray
    parts_s: FloatArray
    servers: IntArray
    quality: FloatArray
    latency_s: FloatArray
    satisfaction: FloatArray
    satisfaction_weight: FloatArray
    speed_weight: FloatArray
    computation_usd: FloatArray
    fixed_usd: FloatArray
    liability_usd: FloatArray

    @property
    def mean_s(self) -> FloatArray:
        """Mean time of a request at a server of each station, (S, 3)."""
        return self.parts_s.sum(axis=2)

    @property
    def cost_usd(self) -> FloatArray:
        """Mean cost of a request without liability."""
        return self.computation_usd + self.fixed_usd

    @property
    def damages_usd(self) -> FloatArray:
        """Damages of one unmet answer, c_l/(1 − A), so that a request expects c_l; 0 where A = 1.

        A provider whose answers are never unmet pays its c_l as a premium (`premium_usd`).
        """
        unmet = 1 - self.satisfaction
        return np.divide(self.liability_usd, unmet, out=np.zeros_like(unmet), where=unmet > 0)

    @property
    def premium_usd(self) -> FloatArray:
        """Liability paid on every request: c_l where A = 1, else 0."""
        return np.where(self.satisfaction == 1, self.liability_usd, 0.0)

    def measured_quality(
        self, service: NDArray[np.int64], satisfied: FloatArray, latency_s: FloatArray
    ) -> FloatArray:
        """Quality of requests whose satisfied share and mean latency were measured, by (6).

        q + w_A (Â − A) − w_T (T̂ − T), which is (6) at Â and T̂ with all other dimensions as
        promised, and the promise itself to the last bit where both came true.
        """
        return (
            self.quality[service]
            + self.satisfaction_weight[service] * (satisfied - self.satisfaction[service])
            - self.speed_weight[service] * (latency_s - self.latency_s[service])
        )


def catalogue_of(scenario: PactScenario, markets: tuple[PactMarket, ...]) -> Catalogue:
    """Services of a scenario as stations.

    Raises
    ------
    ScenarioError
        When a service described directly does not say its latency, or says one with which no
        satisfaction gives its quality; a line for each.

    Examples
    --------
    >>> from airan_market.agents.pact.market import markets_of
    >>> from airan_market.scenarios import load_pact
    >>> paper = load_pact("pact")
    >>> catalogue_of(paper, markets_of(paper)).mean_s[7].round(4).tolist()
    [0.08, 0.1, 0.0224]
    """
    tasks = scenario.pact.tasks or (None,)
    faults: list[Fault] = []
    rows = []
    for number, (task, market) in enumerate(zip(tasks, markets, strict=True)):
        for i, (place, service) in enumerate(numbered_services(scenario.pact, task)):
            direct = service.quality is not None
            row = _direct(scenario, task, service) if direct else _physical(scenario, task, service)
            if isinstance(row, str):
                key = f"pact.services[{place}].latency_s"
                faults.append(Fault(scenario.name, key, "", row))
                continue
            own = market.services
            if not direct:
                row |= {"latency_s": own.latency_s[i], "satisfaction": own.satisfaction[i]}
            rows.append(row | {
                "names": service.name,
                "market": number,
                "servers": _servers(scenario, service),
                "quality": own.quality[i],
                "fixed_usd": own.base_cost_usd[i] - row["computation_usd"],
                "liability_usd": scenario.pact.liability_level * own.liability_usd[i],
            })  # fmt: skip
    if faults:
        raise ScenarioError(faults)
    columns = {key: np.array([row[key] for row in rows]) for key in rows[0] if key != "names"}
    return Catalogue(names=tuple(row["names"] for row in rows), **columns)


def _servers(scenario: PactScenario, service: PactService) -> list[int]:
    keys = ("links", "tokenisers", "inference_servers")
    return [getattr(service, key) or getattr(scenario.traffic, key) for key in keys]


def _direct(scenario: PactScenario, task: PactTask | None, service: PactService) -> dict | str:
    """Weights and times of a service described directly, or why it cannot be run."""
    latency, q = service.latency_s, service.quality
    weight = satisfaction_weight(scenario.pact, task)
    if latency is None or q is None:
        return "required to run a service described directly"
    rest = q - (1 - weight) * (1 - latency)
    satisfied = rest / weight if weight > 0 else (0.0 if abs(rest) < _ROUNDING else np.nan)
    if abs(satisfied - np.round(satisfied)) < _ROUNDING:  # 0 and 1 have a meaning of their own
        satisfied = float(np.round(satisfied))
    if not 0 <= satisfied <= 1:
        return (
            f"no satisfaction from 0 to 1 gives quality {q:g} at latency {latency:g} s with "
            f"satisfaction_weight {weight:g} (6)"
        )
    return {
        "parts_s": [[0.0, 0.0], [0.0, 0.0], [latency / 2, latency / 2]],
        "latency_s": latency,
        "satisfaction": satisfied,
        "satisfaction_weight": weight,
        "speed_weight": 1 - weight,
        "computation_usd": 0.0,
    }


def _physical(scenario: PactScenario, task: PactTask | None, service: PactService) -> dict:
    pact = scenario.pact
    size_in, size_out = service.input_kb or 0.0, service.output_kb or 0.0
    flop = request_flop(pact, service)
    both = float(tokens(size_in, size_out, pact.tokens_per_kb))
    parts = []
    for a, b in ((size_in, 0.0), (0.0, size_out)):
        share = float(tokens(a, b, pact.tokens_per_kb)) / both if both else 0.0
        parts.append(
            [
                transmission_s(a, b, pact.rate_bps),
                tokenisation_s(a, b, pact.tokenise_s_per_kb, pact.detokenise_s_per_kb),
                inference_s(share * flop, service.rate_flop_per_s or 1.0),
            ]
        )
    weight = satisfaction_weight(scenario.pact, task)
    core = 1.0 - sum(d.weight for d in pact.dimensions or ())
    return {
        "parts_s": np.transpose(parts),
        "satisfaction_weight": core * weight,
        "speed_weight": core * (1 - weight),
        "computation_usd": pact.flop_cost_usd * flop,
    }
