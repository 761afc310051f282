"""Every picture that a directory holds, drawn again from its tables.

`drawn` gives all pictures of anything finished; each is also one function of frames. All of them
return a Matplotlib figure, whose panels are `figure.axes`: change them, and save it as you like.

| directory | its pictures |
| --- | --- |
| run | `menus`, `matching`, `violations`, `utilities`, `over_time` |
| PACT run | `promises`, `profit`, `totals`, `capacity` |
| PACT menu | `services`, `own_items`, `sold`, `worth` |
| with liability, claims | `liability`, `audits`, `break_even`, `claims` |
| validation | `tails`, `decomposition`, `other_laws`, `bound_map` |
| equilibrium | `outcomes`, `ways` |
| sweep | `over_one_key`, `over_two_keys`, `over_many_keys`, `sensitivities` |
| reproduction | `published_menus`, `published_totals` |
| questions | `rent`, `anarchy`, `beliefs` |
| identification | `identified`, `rules` |
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airan_market.analysis.store.manifest import Manifest
from airan_market.analysis.store.reader import PactRun, Stored, load_run, opened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Where each picture is drawn, below this floor: a module, and its function if it has another name.
_DRAWN_IN = {
    "runs.figures": ("menus", "matching", "violations", "utilities", "over_time"),
    "pact_run.figures": ("promises", "profit", "totals", "capacity"),
    "pact.figures": ("services", "own_items", "menus sold", "utilities worth", "liability",
                     "audits", "break_even_over_scale break_even", "claims"),
    "validation.report.figures": ("tails", "decomposition", "other_laws"),
    "validation.bound.figure": ("bound_map_figure bound_map",),
    "equilibrium.figures": ("outcomes", "ways"),
    "sweep.figures": ("over_one_key", "over_two_keys", "over_many_keys", "sensitivities"),
    "reproduction.figures": ("menus published_menus", "totals_over published_totals"),
    "questions.figures": ("rent", "anarchy", "beliefs"),
    "identification.figures": ("identified", "rules"),
}  # fmt: skip
_PLACES = {
    words.split()[-1]: (module, words.split()[0])
    for module, names in _DRAWN_IN.items()
    for words in names
}
__all__ = sorted(["drawn", *_PLACES])


def __getattr__(name: str) -> Any:
    """A picture's function, imported when it is first asked for: some need seconds to load."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, function = _PLACES[name]
    return getattr(import_module(f"airan_market.analysis.{module}"), function)


def __dir__() -> list[str]:
    return __all__


def drawn(directory: str | Path) -> dict[str, Figure]:
    """All pictures of a finished directory, by the name of their files.

    Parameters
    ----------
    directory : path
        What any command left: a run, a validation, a sweep, ... The tables are first compared
        with the hashes in its manifest.

    Returns
    -------
    dict of str to Figure

    Raises
    ------
    RunError
        When it is none of ours, or its tables were changed.
    """
    place = Path(directory)
    manifest = opened(place)
    Stored(place, manifest).verify(tables_only=True)
    return _of_run(place) if manifest.kind in ("market", "pact") else _of_study(place, manifest)


def _of_run(place: Path) -> dict[str, Figure]:
    from airan_market.analysis.pact_run import report as pact_report
    from airan_market.analysis.runs import report

    run = load_run(place)
    if isinstance(run, PactRun):
        return pact_report.drawable(run, run.summary)
    return report.drawable(run, run.summary)


def _of_study(place: Path, manifest: Manifest) -> dict[str, Figure]:
    if manifest.kind == "validation":
        from airan_market.analysis.validation.report.figures import drawable
        from airan_market.analysis.validation.stored import load_validation

        return drawable(load_validation(place))
    if manifest.kind == "equilibrium":
        from airan_market.analysis.equilibrium import report as equilibrium

        return equilibrium.drawable(equilibrium.tables_in(place))
    if manifest.kind == "sweep":
        from airan_market.analysis.sweep.report import pictures

        return pictures(place)
    if manifest.kind == "reproduction":
        from airan_market.analysis.reproduction import report as reproduction

        return reproduction.pictures(*reproduction.computed_in(place))
    if manifest.kind == "questions":
        from airan_market.analysis.questions import report as questions

        return questions.drawable(questions.tables_in(place))
    if manifest.kind == "identification":
        from airan_market.analysis.identification import report as identification

        return identification.drawable(*identification.computed_in(place))
    if manifest.kind == "menu":
        from airan_market.agents.pact import solve_pact
        from airan_market.analysis.pact import page
        from airan_market.scenarios import load_pact

        return page.drawable(place, solve_pact(load_pact(place / "scenario.toml")))
    return {}
