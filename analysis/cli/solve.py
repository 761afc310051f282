"""`airan-market solve`."""

from __future__ import annotations

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.telling import result
from airan_market.analysis.exits import say


def solve(
    scenario: ask.ScenarioArgument,
    seed: ask.Seed = 1,
    settings: ask.Set = None,
    reading: ask.Reading = None,
    mechanism: ask.Mechanism = None,
    belief: ask.Belief = None,
    use: ask.Use = None,
    quiet: ask.Quiet = False,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Solve the mechanism alone, no traffic: menus, matching, welfare, certificates."""
    loaded = ask.load(
        scenario, settings, {"--mechanism": mechanism, "--belief": belief}, reading, quiet=quiet
    )
    from airan_market.agents.solution import solver
    from airan_market.analysis.progress import COMPILING
    from airan_market.analysis.solve_text import outcome_text

    if not quiet and ask.has_to_compile(loaded, traffic=False):
        say(COMPILING)
    outcome = solver.solve(loaded, seed=seed)
    for note in () if quiet else outcome.notes:
        say(note)
    fields = outcome.to_json()
    names = [operator.name for operator in loaded.operators]
    text = "" if as_json else outcome_text(fields, names, outcome.certificates.sentences())
    result(fields, text, as_json=as_json)
