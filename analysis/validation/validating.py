"""Is what operators believe true? Every approximation against simulation, by operator and type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from airan_market.analysis.exits import is_interruption
from airan_market.analysis.validation import beyond as beyond_module
from airan_market.analysis.validation.batches import TASKS, batch_table, batches, places
from airan_market.analysis.validation.bound.independence import (
    LOADS,
    SERVERS,
    independence_table,
    queue_twice,
)
from airan_market.analysis.validation.bound.independence import TASKS as MAP_TASKS
from airan_market.analysis.validation.bound.map import bound_map
from airan_market.analysis.validation.bound.markets import market_table
from airan_market.analysis.validation.findings import COMPLETE, INTERRUPTED, Findings
from airan_market.analysis.validation.ladder import PRIORITY, ladder
from airan_market.analysis.validation.offered import Offered, grid, offered
from airan_market.analysis.validation.report.summary import summarise_validation
from airan_market.analysis.validation.tables import approximations, verdict_table
from airan_market.analysis.validation.truth import Effort, Truth, observe
from airan_market.analysis.validation.verdicts import FAMILY_LEVEL
from airan_market.scenarios import Scenario
from airan_market.scenarios.registry import BELIEFS
from airan_market.scenarios.schema.checks.consistency import PREEMPTIVE

#: Modules of machine code that a validation needs, whatever the scenario believes.
KERNELS = (
    *BELIEFS.kernels("chernoff"),
    *BELIEFS.kernels("priority"),
    "airan_market.sim.engines.kernel",
    "airan_market.sim.rare.tagged_kernel",
)


@dataclass(frozen=True)
class Wanted:
    """What a validation consists of, besides the verdicts themselves.

    Attributes
    ----------
    effort : Effort
    level : float
        With which all intervals behind the verdicts of a table together cover their truths.
    beyond : bool
        Other laws of work and arrivals.
    trace : Path, optional
        Requests whose work and arrivals are tried among them.
    map : bool
        The map of where the bound holds.
    markets : bool
        Variants of the scenario, solved.
    """

    effort: Effort = field(default_factory=Effort)
    level: float = FAMILY_LEVEL
    beyond: bool = True
    trace: Path | None = None
    map: bool = True
    markets: bool = False


def validate(
    scenario: Scenario,
    seed: int = 1,
    wanted: Wanted | None = None,
    *,
    on_step: Callable[[str, int, int], None] = lambda what, done, of: None,
) -> Findings:
    """Hold what the operators of a solved market believe against exact theory and simulation.

    Parameters
    ----------
    scenario : Scenario
        Solved by its mechanism under its belief; traffic is offered exactly at the solved loads.
    seed : int
        Root of every random stream; the same seed gives the same findings.
    wanted : Wanted, optional
        By default everything but `markets`.
    on_step : function
        Told what was finished, how many steps are, and of how many.

    Returns
    -------
    Findings
        Plain frames. After Ctrl-C those of the operators that were finished; of the others the
        theory.

    Raises
    ------
    KeyboardInterrupt
        When no operator had been simulated.
    airan_market.sim.traffic.trace_file.TraceError
        When the trace cannot be read.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> quick = Wanted(Effort(budget_tasks=1e5, paths=640, points=2), beyond=False, map=False)
    >>> found = validate(load_scenario("bound_fails"), wanted=quick)
    >>> paper = found.verdicts[found.verdicts["method"] == "chernoff"]
    >>> paper["verdict"].tolist()
    ['holds', 'violated beyond doubt']
    """
    wanted = Wanted() if wanted is None else wanted
    sites = offered(scenario, seed)
    laws = beyond_module.laws(scenario, wanted.trace) if wanted.beyond else []
    tandem = wanted.map and any(map(queue_twice, sites))
    steps = _Steps(
        on_step,
        sum(1 + site.looked_at.size for site in sites)
        + len(laws) * len(sites)
        + (len(places(sites)) if batches(scenario) else 0)
        + wanted.map
        + (len(LOADS) * len(SERVERS) if tandem else 0)
        + wanted.markets,
    )
    latencies = [grid(site, wanted.effort.points) for site in sites]
    tails = [ladder(site, latency) for site, latency in zip(sites, latencies, strict=True)]
    truths: list[Truth | None] = [None] * len(sites)
    other = mapped = markets = batched = independence = pd.DataFrame()
    status = COMPLETE
    try:
        for m, site in enumerate(sites):
            truths[m] = observe(
                site, latencies[m], tails[m][PRIORITY], wanted.effort, seed=seed, on_step=steps
            )
        if batches(scenario):
            batched = batch_table(
                scenario, sites, wanted.level, seed=seed, tasks=_batch_tasks(wanted), on_done=steps
            )
        if laws:
            other = beyond_module.beyond_table(
                sites, laws, wanted.level, seed=seed, tasks=_beyond_tasks(wanted), on_done=steps
            )
        if wanted.map:
            mapped = bound_map(zeta=scenario.mechanism.chernoff_zeta)
            steps("map")
        if tandem:
            independence = independence_table(
                wanted.level, seed=seed, tasks=_map_tasks(wanted), on_done=steps
            )
        if wanted.markets:
            markets = market_table(scenario)
            steps("variants of the market")
    except (KeyboardInterrupt, SystemError) as error:
        if not is_interruption(error):
            raise
        if truths[0] is None:
            raise KeyboardInterrupt from error
        status = INTERRUPTED
    found = Findings(
        scenario=scenario,
        seed=seed,
        status=status,
        sites=tuple(sites),
        simulated=sum(truth is not None for truth in truths),
        approximations=pd.concat(
            [approximations(*row) for row in zip(sites, latencies, tails, truths, strict=True)],
            ignore_index=True,
        ),
        verdicts=verdict_table(sites, tails, truths, wanted.level),
        beyond=other,
        map=mapped,
        markets=markets,
        independence=independence,
        batches=batched,
        spent=tuple({} if truth is None else truth.spent() for truth in truths),
        notes=_notes(scenario, sites, truths, wanted),
    )
    found.summary.update(summarise_validation(found, wanted.level))
    return found


def _beyond_tasks(wanted: Wanted) -> int:
    """Tasks of each law and operator: a quarter of the budget, at the most the usual number."""
    return int(min(beyond_module.TASKS, max(wanted.effort.budget_tasks / 4, 1)))


def _batch_tasks(wanted: Wanted) -> int:
    """Tasks of each operator and load: the usual number, fewer with less than the usual budget."""
    return int(min(TASKS, max(TASKS * wanted.effort.budget_tasks / Effort.budget_tasks, 1)))


def _map_tasks(wanted: Wanted) -> float:
    """Tasks of each cell of the map of independence, likewise."""
    return min(MAP_TASKS, MAP_TASKS * wanted.effort.budget_tasks / Effort.budget_tasks)


class _Steps:
    """Counts what is finished and tells of it."""

    def __init__(self, tell: Callable[[str, int, int], None], of: int) -> None:
        self._tell, self._of, self._done = tell, of, 0

    def __call__(self, what: str) -> None:
        self._done += 1
        self._tell(what, self._done, self._of)


def _notes(
    scenario: Scenario, sites: list[Offered], truths: list[Truth | None], wanted: Wanted
) -> tuple[str, ...]:
    notes = []
    if scenario.simulation.discipline != PREEMPTIVE:
        but = ", but for the table of GPUs that batch" if batches(scenario) else ""
        notes.append(f"Stations are simulated with {PREEMPTIVE!r}, which theory is about{but}.")
    if not beyond_module.is_usual(scenario):
        where = "see the table of other laws" if wanted.beyond else "not tried"
        notes.append(
            "Verdicts are for Poisson arrivals and exponential work, which theory is about; this "
            f"scenario's own laws: {where}."
        )
    for site, truth in zip(sites, truths, strict=True):
        for types, what in (
            (site.saturated, "saturated, no stationary law, every latency is exceeded in the end"),
            (site.idle & ~site.saturated, "no tasks, nothing to simulate"),
        ):
            if types.any():
                numbers = ", ".join(str(n + 1) for n in types.nonzero()[0])
                notes.append(f"{site.name}, type {numbers}: {what}.")
        if truth is None:
            notes.append(f"{site.name}: not simulated.")
        elif truth.plain is not None:
            notes += [f"{site.name}: {note}" for note in truth.notes()]
            dropped = truth.untrusted()
            if dropped:
                notes.append(
                    f"{site.name}: {dropped} estimates of rare violations were dropped, because "
                    "one batch carried most of their sum or none was late."
                )
    return tuple(notes)
