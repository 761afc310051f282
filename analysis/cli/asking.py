"""What commands ask for in the same way: options, and the scenario with them applied."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from airan_market.analysis.exits import say
from airan_market.scenarios import Fault, ScenarioError, ScenarioWarning
from airan_market.scenarios.registry import BELIEFS, MECHANISMS, use
from airan_market.scenarios.seed import SEED_LIMIT

if TYPE_CHECKING:
    from airan_market.scenarios import PactScenario, Scenario

Loaded = TypeVar("Loaded")


def _shipped(incomplete: str) -> list[str]:
    from airan_market.scenarios import shipped_scenarios

    return [name for name in shipped_scenarios() if name.startswith(incomplete)]


def readings(incomplete: str) -> list[str]:
    """Names of the readings that ship and begin so, for the completion of a shell."""
    from airan_market.scenarios import shipped_readings

    return [name for name in shipped_readings() if name.startswith(incomplete)]


def _use(modules: list[str] | None) -> list[str]:
    for module in modules or []:
        use(module)
    return modules or []


ScenarioArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="A TOML file, or the name of one that ships.",
        autocompletion=_shipped,
    ),
]


def number(
    name: str, metavar: str, help: str, most: int, least: int | None = None
) -> typer.models.OptionInfo:
    """An option that is a whole number up to `most`: more could not be computed, or held."""
    return typer.Option(name, metavar=metavar, min=least, max=most, help=help)


Seed = Annotated[
    int, number("--seed", "N", "Root of every random stream, below 2**128.", SEED_LIMIT - 1, 0)
]
Seeds = Annotated[
    int, number("--seeds", "N", "Runs with as many seeds, from --seed on.", 100_000, 1)
]
Figures = Annotated[
    bool, typer.Option("--figures/--no-figures", help="Without: `report DIR` draws them later.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; may be given repeatedly."),
]
Use = Annotated[
    list[str] | None,
    typer.Option(
        "--use",
        metavar="PACKAGE.MODULE",
        callback=_use,
        is_eager=True,
        help="Import what registers a mechanism, a belief or a discipline.",
    ),
]
Reading = Annotated[
    str | None,
    typer.Option(
        "--reading",
        metavar="NAME",
        help="A named set of settings laid over the scenario first, or a TOML file of one.",
        autocompletion=readings,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a complete result.")]
Draws = Annotated[
    int, number("--draws", "N", "Dirichlet draws of the users' types.", most=1_000_000)
]
Workers = Annotated[
    int | None,
    number("--workers", "N", "Processes; one a processor by default.", most=1000, least=1),
]
Engine = Annotated[
    str | None, typer.Option("--engine", metavar="simpy|compiled", help="simulation.engine")
]
Rounds = Annotated[str | None, typer.Option("--rounds", metavar="K", help="simulation.rounds")]
Horizon = Annotated[
    str | None, typer.Option("--horizon", metavar="SECONDS", help="simulation.horizon_s")
]
Mechanism = Annotated[
    str | None,
    typer.Option(
        "--mechanism",
        metavar="|".join(MECHANISMS.ours),
        help="mechanism.name",
        autocompletion=lambda: MECHANISMS.names(),
    ),
]
Belief = Annotated[
    str | None,
    typer.Option(
        "--belief",
        metavar="|".join(BELIEFS.ours),
        help="mechanism.belief",
        autocompletion=lambda: BELIEFS.names(),
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on standard error but faults.")]
Json = Annotated[
    bool, typer.Option("--json", help="The result as JSON on standard output, nothing else there.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an unexpected error came from.")]

#: Options that are short for a setting, and the setting.
SHORT_FOR = {
    "--engine": "simulation.engine",
    "--rounds": "simulation.rounds",
    "--horizon": "simulation.horizon_s",
    "--mechanism": "mechanism.name",
    "--belief": "mechanism.belief",
}


def out_option(about: str) -> typer.models.OptionInfo:
    """`--out`, with what it is by default."""
    return typer.Option("--out", metavar="DIR", help=about)


def only_option(names: str) -> typer.models.OptionInfo:
    """`--only`, with what can be named."""
    return typer.Option("--only", metavar="NAME", help=f"{names}; may be given repeatedly.")


def load(
    source: str,
    settings: list[str] | None,
    short: Mapping[str, str | None],
    reading: str | None = None,
    *,
    quiet: bool = False,
    one_service: bool = False,
) -> Scenario:
    """Load a scenario with `--reading`, `--set` and then the short options; tell what is doubtful.

    A fault of a setting that has a short option, when that was used, names the option.
    `one_service`: the command knows no market of several services, and refuses it.
    """
    from airan_market.scenarios import load_scenario

    loaded = _with_short_options(
        partial(load_scenario, reading=reading), source, settings, short, quiet
    )
    services = loaded.folded.services
    if one_service and services is not None:
        allowed = "must be one service here; `solve`, `run` and `sweep` take several"
        raise ScenarioError([Fault(source, "services", f"{len(services)} services", allowed)])
    return loaded


def load_any(
    source: str,
    settings: list[str] | None,
    short: Mapping[str, str | None],
    reading: str | None = None,
    *,
    quiet: bool = False,
) -> Scenario | PactScenario:
    """`load` of either kind of market; options that a PACT market has no use for are refused."""
    from airan_market.scenarios import load_pact, scenario_kind

    if scenario_kind(source) != "pact":
        return load(source, settings, short, reading, quiet=quiet)
    reason = "is for AI-RAN scenarios, this is a PACT scenario"
    refused = {
        option: value
        for option, value in short.items()
        if value is not None and SHORT_FOR[option].startswith("mechanism.")
    }
    faults = [
        Fault(option, SHORT_FOR[option], f'"{value}"', reason) for option, value in refused.items()
    ]
    if reading is not None:
        faults.append(Fault("--reading", reading, "", reason))
    if faults:
        raise ScenarioError(faults)
    return _with_short_options(load_pact, source, settings, short, quiet)


def _with_short_options(
    load: Callable[[str, Sequence[str]], Loaded],
    source: str,
    settings: list[str] | None,
    short: Mapping[str, str | None],
    quiet: bool,
) -> Loaded:
    used = {SHORT_FOR[option]: option for option, value in short.items() if value is not None}
    overrides = [f"{key}={short[option]}" for key, option in used.items()]
    try:
        with warnings.catch_warnings(record=True) as doubts:
            warnings.simplefilter("always", ScenarioWarning)
            loaded = load(source, [*(settings or []), *overrides])
    except ScenarioError as error:
        raise ScenarioError(
            replace(fault, source=used[fault.key])
            if fault.source == "--set" and fault.key in used
            else fault
            for fault in error.faults
        ) from error
    for doubt in () if quiet else doubts:
        say(f"warning: {doubt.message}")
    return loaded


@contextmanager
def faults_of(source: str, name: str) -> Iterator[None]:
    """Tell faults that show only in use by the file they are in, not by the scenario's name."""
    try:
        yield
    except ScenarioError as error:
        raise ScenarioError(
            replace(fault, source=source) if fault.source == name else fault
            for fault in error.faults
        ) from error


def has_to_compile(loaded: Scenario | PactScenario, *, traffic: bool) -> bool:
    """Whether the machine code that this scenario needs is still to be made, once a machine."""
    from airan_market.scenarios import Scenario
    from airan_market.sim.machine_code import is_compiled

    engine = ["airan_market.sim.engines.kernel"]
    if not isinstance(loaded, Scenario):
        return not is_compiled(*engine)  # its capacity is always found with it
    modules = [*BELIEFS.kernels(loaded.mechanism.belief)]
    if traffic and loaded.simulation.engine == "compiled":
        modules += engine
    return not all(is_compiled(module) for module in modules)
