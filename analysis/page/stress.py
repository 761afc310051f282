"""What a reader needs to judge a simulation study, told of every directory in the same words.

The items are those of STRESS, "Strengthening the reporting of empirical simulation studies"
(Monks, Currie, Onggo, Robinson, Kunc and Taylor 2019, Journal of Simulation 13, 55-67), in their
order and with their numbers, filled from the manifest and the scenario.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airan_market.analysis.store.manifest import Manifest
from airan_market.analysis.wording import NONE, Section

#: What is played or computed, by the kind of the directory.
LOGIC = {
    "market": "In every round operators write menus (a latency and a price for each type of user), "
    "users choose an operator or none, and their tasks pass its uplink, GPU and downlink; what "
    "comes later than agreed is refunded. Rounds walk through the iterations of the mechanism.",
    "pact": "In every round providers offer services of different quality at a price, users choose "
    "one or none, and their requests pass transmission, tokenisation and inference; answers that "
    "do not meet what was promised cost liability.",
    "menu": "No traffic: the menu that earns the provider most is computed, as is the one under "
    "full information, without and with liability.",
    "validation": "The mechanism is solved once. Every approximation of the chance to be late is "
    "computed at its loads, and the tandem of uplink, GPU and downlink of each operator is "
    "simulated at the same loads.",
    "reproduction": "No traffic: every mechanism is solved for every setting and every draw of "
    "the users' types, under one or several readings of what the paper leaves open.",
    "identification": "No traffic: markets are drawn and solved, and compared with the numbers "
    "that the paper prints.",
    "calibration": "No traffic: what the paper leaves out is varied until the solved market comes "
    "as near as it can to the printed numbers.",
    "questions": "The mechanism is solved with margins, by a central planner, and under other "
    "beliefs; under every belief the traffic of its outcome is simulated.",
    "equilibrium": "Operators answer one another in turn with the menu that is best for each, from "
    "many starts, until nobody changes anything; the traffic of the outcomes is simulated.",
    "sweep": "One command is computed for every point of a design, every seed, mechanism and "
    "reading: a cell each.",
}
#: How numbers that vary by chance are estimated, by the kind of the directory.
ESTIMATION = {
    "market": "One run; 95 % intervals take tasks of one round as related; run --seeds N "
    "repeats it.",
    "pact": "One run; 95 % intervals take its rounds as the units of chance.",
    "validation": "Independent replications until intervals are narrow enough, splitting for what "
    "is rare; intervals of a table cover their truths together at the level stated.",
    "reproduction": "Medians and 90 % ranges over draws of the users' types.",
    "identification": "Nested sampling; 90 % ranges of the posterior.",
    "calibration": "None: nothing here varies by chance.",
    "menu": "None: nothing here varies by chance.",
    "questions": "Replications on the same draws under every belief; 95 % intervals.",
    "equilibrium": "Replications of the traffic; 95 % intervals. Two searches look for a gain.",
    "sweep": "Means over seeds; differences are paired on the same point and seed, with 95 % "
    "intervals, each by itself.",
}
_PLAYED = ("market", "pact")
MOST_VALUES, MOST_COLUMNS = 12, 8


def stress(
    manifest: Manifest, scenario: Mapping[str, Any], question: str, **told: object
) -> Section:
    """The items of STRESS and what a directory says to each.

    Parameters
    ----------
    manifest : Manifest
    scenario : mapping
        Content of the directory's `scenario.toml`.
    question : str
        What the directory answers.
    **told
        Answers that say more than the manifest does, by `experiments` or `estimation`.

    Returns
    -------
    Section
        Item and answer.
    """
    kind, versions = manifest.kind, manifest.versions
    ours = versions.get("airan-market", "unknown")
    rows = [
        ("1.1 Purpose", question),
        ("1.2 Outputs", f"{', '.join(manifest.tables)}; columns and units: docs/tables.md"),
        ("1.3 Experiments", told.get("experiments") or _experiments(manifest)),
        ("2.1–2.3 Logic", LOGIC[kind]),
        ("2.4 Algorithms", _algorithms(scenario)),
        ("2.5 Components", _components(scenario)),
        ("3.1 Data", _data(scenario)),
        ("3.2 Parameters", f"All in the tables above and in scenario.toml, hash "
         f"{manifest.scenario_hash[:12]}"),
        ("3.3 Assumptions", _assumptions(scenario)),
        ("4.1 Initialisation", _initialisation(kind, scenario)),
        ("4.2 Run length", _length(manifest, scenario)),
        ("4.3 Estimation", told.get("estimation") or ESTIMATION[kind]),
        ("5.1 Software", ", ".join(f"{name} {version}" for name, version in versions.items())),
        ("5.2 Random sampling", "Philox streams named by purpose, operator and type under one root"
         + (f", seed {manifest.seed}" if manifest.seed is not None else "")
         + ": what is compared meets the same draws"),
        ("5.3 Execution", _execution(scenario)),
        ("5.4 System", "No number depends on the machine or the number of processes; start and "
         "wall time stand in manifest.json"),
        ("6.1 Code", f"airan-market {ours}, MIT licence; the command below"),
    ]  # fmt: skip
    return Section(
        "How it was made (STRESS)", ("item", "answer"), [[name, str(text)] for name, text in rows],
        "The items of Monks et al. (2019), Strengthening the reporting of empirical simulation "
        "studies, Journal of Simulation 13.",
    )  # fmt: skip


def scenario_sections(scenario: Mapping[str, Any]) -> list[Section]:
    """A scenario in tables: one for each of its tables, operators and the like side by side.

    Examples
    --------
    >>> users = {"users": {"total": 3, "shares": [0.5, 0.5]}, "operators": [{"gpu": {"servers": 2}}]}
    >>> for section in scenario_sections({"name": "small", **users}):
    ...     print(section.title, section.rows)
    scenario [['name', 'small']]
    users [['total', '3'], ['shares', '0.5, 0.5']]
    operators [['gpu.servers', '2']]
    """  # noqa: E501
    single = {key: value for key, value in scenario.items() if not _holds_tables(value)}
    found = [Section("scenario", ("key", "value"), _rows(single))]
    for name, value in scenario.items():
        if isinstance(value, Mapping):
            found += _sections_of(name, value)
        elif _holds_tables(value):
            found += _side_by_side(name, value)
    return found


def _sections_of(name: str, table: Mapping[str, Any]) -> list[Section]:
    lists = {key: value for key, value in table.items() if _is_tables(value)}
    plain = {key: value for key, value in table.items() if key not in lists}
    found = [Section(name, ("key", "value"), _rows(plain))] if plain else []
    for key, value in lists.items():
        found += _side_by_side(f"{name}.{key}", value)
    return found


def _side_by_side(name: str, tables: Sequence[Mapping[str, Any]]) -> list[Section]:
    """One column an entry, at most `MOST_COLUMNS` of them in a table."""
    flat = [dict(_flat(table)) for table in tables]
    found = []
    for first in range(0, len(flat), MOST_COLUMNS):
        some = flat[first : first + MOST_COLUMNS]
        keys = list(dict.fromkeys(key for one in some for key in one))
        numbers = [str(first + place) for place in range(1, len(some) + 1)]
        rows = [[key, *(one.get(key, NONE) for one in some)] for key in keys]
        found.append(Section(name, ("key", *numbers), rows))
    return found


def _rows(table: Mapping[str, Any]) -> list[list[str]]:
    return [[key, text] for key, text in _flat(table)]


def _flat(table: Mapping[str, Any], lead: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{lead}{key}.")
        else:
            yield f"{lead}{key}", _value(value)


def _value(value: Any) -> str:
    """A value as people write it.

    Examples
    --------
    >>> _value(True), _value(4e13), _value(0.113333333333), _value([1, 2]), _value([0] * 30)
    ('true', '4e+13', '0.113333', '1, 2', '0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, … (30 in all)')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        shown = ", ".join(_value(one) for one in value[:MOST_VALUES])
        return shown + f", … ({len(value)} in all)" * (len(value) > MOST_VALUES)
    return str(value)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _holds_tables(value: Any) -> bool:
    return isinstance(value, Mapping) or _is_tables(value)


def _experiments(manifest: Manifest) -> str:
    asked = ((key, text) for key, text in _flat(manifest.settings) if text not in ("None", ""))
    said = "; ".join(f"{key} = {text}" for key, text in asked)
    return said or "The scenario as it is, once"


def _algorithms(scenario: Mapping[str, Any]) -> str:
    pages = "equations and their code: docs/equations.md"
    if "pact" in scenario:
        pact = scenario["pact"]
        return f"Menu {pact['menu']}, cost curve {pact['cost_curve']['form']}; {pages}"
    mechanism = scenario["mechanism"]
    return (
        f"Mechanism {mechanism['name']} with design {mechanism['design']}, belief "
        f"{mechanism['belief']}, at most {mechanism['max_iterations']} iterations; {pages}"
    )


def _components(scenario: Mapping[str, Any]) -> str:
    if "pact" in scenario:
        services = scenario["pact"].get("services", [])
        users = scenario.get("traffic", {}).get("users")
        types = len(scenario["pact"]["types"]) if "types" in scenario["pact"] else "several"
        return f"{users or 'Any number of'} users of {types} types; {len(services)} services"
    users = scenario["users"]
    servers = ", ".join(
        "/".join(str(one[stage]["servers"]) for stage in ("uplink", "gpu", "downlink"))
        for one in scenario["operators"][:MOST_VALUES]
    )
    return (
        f"{users['total']} users of {len(users['latency_sensitivity_usd_per_s'])} types; "
        f"{len(scenario['operators'])} operators with three stations each, of {servers} servers "
        f"(uplink/GPU/downlink), queues unbounded, discipline "
        f"{scenario['simulation']['discipline']}"
    )


def _data(scenario: Mapping[str, Any]) -> str:
    files = sorted({value for key, value in _leaves(scenario) if key in ("trace", "outcomes")})
    return f"Read from {', '.join(files)}" if files else "No file of data: numbers of the scenario"


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, key)
    else:
        yield key, value


def _assumptions(scenario: Mapping[str, Any]) -> str:
    if "pact" in scenario:
        law = scenario.get("traffic", {}).get("law")
        return f"Work of requests: {_law(law)}" if law else "Those of the paper's menu"
    return (
        f"Arrivals: {_law(scenario['simulation'].get('arrivals'))}; sizes and work: "
        f"{_law(scenario['task']['law'])}"
    )


def _law(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {text}" for key, text in _flat(value))
    return str(value)


def _initialisation(kind: str, scenario: Mapping[str, Any]) -> str:
    if kind == "validation":
        return "Empty stations; what comes before a warm-up found from pilot runs is left out"
    if kind not in (*_PLAYED, "sweep"):
        return "Where traffic is simulated: empty stations and a warm-up that enters no figure"
    warm = scenario.get("simulation", {}).get("warmup_s")
    return f"Empty stations, then a warm-up of {warm:g} simulated seconds that enters no figure"


def _length(manifest: Manifest, scenario: Mapping[str, Any]) -> str:
    if manifest.kind in _PLAYED:
        horizon = scenario["simulation"]["horizon_s"]
        return f"{manifest.rounds} rounds of {horizon:g} simulated seconds"
    if manifest.kind == "sweep":
        return "That of the scenario, for every cell"
    return "See the settings under 1.3"


def _execution(scenario: Mapping[str, Any]) -> str:
    engine = scenario.get("simulation", {}).get("engine", "compiled")
    return (
        f"Engine {engine}; events in a fixed order (DESIGN.md, The exact order of events), so "
        "that equal inputs give equal bytes"
    )
