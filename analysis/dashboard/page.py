"""The page: Mesa's controls at the side, and in the middle shocks, the fork and the figures."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from html import escape
from typing import Any

import solara
from mesa.visualization import SolaraViz
from mesa.visualization.utils import force_update, update_counter

from airan_market.analysis.dashboard import shock
from airan_market.analysis.dashboard.control import parameters, played
from airan_market.analysis.dashboard.model import NO_EVENTS, TURN, LiveModel
from airan_market.analysis.dashboard.pair import NAMES, pair_panel
from airan_market.analysis.dashboard.panel import Panel, panels
from airan_market.analysis.dashboard.server import asked
from airan_market.analysis.figure_style import png
from airan_market.scenarios import Scenario

STYLE = """
.live-panels { columns: 380px; column-gap: 16px; }
.live-pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr));
  gap: 16px; }
.live-panel { break-inside: avoid; margin: 0 0 16px; }
.live-panel h3 { font-size: 1rem; line-height: 1.3; margin: 0 0 4px; }
.live-panel img { width: 100%; max-width: 620px; height: auto; display: block; background: white; }
.live-row { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; }
.live-row > * { max-width: 100%; }
"""


@solara.component
def Page() -> None:  # noqa: N802 - components are named like classes
    """All of a tab; its market belongs to it alone."""
    start = asked()
    shown = solara.use_memo(lambda: parameters(start.scenario, start.seed), [])
    begin = {name: entry["value"] for name, entry in shown.items()}
    model = solara.use_memo(lambda: solara.reactive(LiveModel(asked=start, **begin)), [])
    SolaraViz(
        model, components=[], model_params={"asked": start, **shown},
        name=f"{start.scenario.name}, live", play_interval=200,
    )  # fmt: skip
    View(model.value)
    solara.Style(STYLE)


@solara.component
def View(model: LiveModel) -> None:  # noqa: N802
    """What stands in the middle."""
    update_counter.get()
    with solara.Column(style={"padding": "12px"}):
        for fault in model.faults:
            solara.Error(fault, classes=["live-fault"])
        if model.told:
            solara.Info(model.told, dense=True, classes=["live-told"])
        if not model.futures:
            solara.Text("Nothing is played. Change the settings and press Reset.")
            return
        solara.Text(_standing(model), classes=["live-standing"])
        Acts(model)
        if model.round == 0:
            solara.Text("Press Step or ▶. What is set at the side holds from Reset on.")
        Figures(model, update_counter.value)


def _standing(model: LiveModel) -> str:
    a = model.futures[0]
    return f"Round {model.round} of {a.market.rounds_planned}, seed {a.seed}. {played(a.scenario)}"


@solara.component
def Acts(model: LiveModel) -> None:  # noqa: N802
    """Shocks, the fork, and the export."""
    which = solara.use_reactive(NAMES[-1])
    two = len(model.futures) == 2

    def target() -> int:
        """Which future changes go to; asked at the click, for Solara may keep an old handler."""
        return NAMES.index(which.value) if len(model.futures) == 2 else 0

    def act(done: Callable[[], None]) -> Callable[[], None]:
        def clicked() -> None:
            done()
            force_update()

        return clicked

    with solara.Details("Shocks, fork, export", expand=True):  # noqa: SIM117 - components nest
        with solara.Column():
            if two:
                with solara.Row(classes=["live-row"]):
                    solara.Text("Changes and exports go to future")
                    solara.ToggleButtonsSingle(which, values=list(NAMES), dense=True)
            if isinstance(model.futures[0].scenario, Scenario):
                Shocks(model, target, act)
            else:
                solara.Text(f"No shocks: {NO_EVENTS}.")
            Ends(model, target, act)


@solara.component
def Shocks(model: LiveModel, target: Callable[[], int], act: Any) -> None:  # noqa: N802
    """What may happen to a market from its next round on."""
    names = model.futures[0].names
    operator, servers = solara.use_reactive(names[0]), solara.use_reactive(4)
    factor, rounds = solara.use_reactive(1.5), solara.use_reactive(3)
    settings = solara.use_reactive("economics.refund_usd=4e-4")

    def leave() -> None:
        events = shock.gpus_left(operator.value, servers.value)
        model.change(target(), events, said=f"{operator.value} has {servers.value} GPU servers")

    def fail() -> None:
        model.change(target(), shock.fails(operator.value), said=f"{operator.value} has failed")

    def recover() -> None:
        said = f"{operator.value} serves again"
        model.change(target(), shock.recovers(operator.value), said=said)

    with solara.Row(classes=["live-row"]):
        solara.Select("operator", values=names, value=operator, dense=True,
                      style={"max-width": "11em"})  # fmt: skip
        solara.InputInt("GPUs left", value=servers, style={"max-width": "6em"})
        solara.Button(
            "Take GPUs",
            small=True,
            outlined=True,
            on_click=act(leave),
        )
        solara.Button(
            "Fail",
            small=True,
            outlined=True,
            on_click=act(fail),
        )
        solara.Button("Recover", small=True, outlined=True,
                      on_click=act(recover))  # fmt: skip
    with solara.Row(classes=["live-row"]):
        solara.InputFloat("demand times", value=factor, style={"max-width": "7em"})
        solara.InputInt("for rounds", value=rounds, style={"max-width": "6em"})
        solara.Button(
            "Surge",
            small=True,
            outlined=True,
            on_click=act(lambda: model.surge(target(), factor.value, rounds.value)),
        )
        solara.InputText("from here on: key=value; …", value=settings,
                         style={"max-width": "18em"})  # fmt: skip
        solara.Button(
            "Change",
            small=True,
            outlined=True,
            on_click=act(lambda: model.change(target(), settings=settings.value)),
        )


@solara.component
def Ends(model: LiveModel, target: Callable[[], int], act: Any) -> None:  # noqa: N802
    """The fork, its end, and the run directory."""
    name = solara.use_reactive("")
    with solara.Row(classes=["live-row"]):
        if len(model.futures) == 1:
            if isinstance(model.futures[0].scenario, Scenario):
                solara.Button("Fork here", small=True, color="primary", on_click=act(model.fork))
        else:
            for place, letter in enumerate(NAMES):
                solara.Button(f"Keep {letter} only", small=True, outlined=True,
                              on_click=act(lambda place=place: model.join(place)))  # fmt: skip
        solara.InputText(f"name below {model.asked.runs}", value=name,
                         style={"max-width": "16em"})  # fmt: skip
        solara.Button(
            "Export",
            small=True,
            outlined=True,
            on_click=act(lambda: model.export(target(), name.value)),
        )


@solara.component
def Figures(model: LiveModel, drawn_for: int) -> None:  # noqa: N802
    """The figures of one future, or of two in columns under what tells them apart."""
    with TURN:
        found = [panels(future) for future in model.futures]
        if len(found) == 1 or not found[0]:
            with solara.Div(classes=["live-panels"]):
                for panel in found[0]:
                    _show(panel)
            return
        with solara.Div(classes=["live-panels"]):
            _show(pair_panel(model.futures))
        with solara.Div(classes=["live-pair"]):
            for pair in zip(*found, strict=True):
                for letter, panel in zip(NAMES, pair, strict=True):
                    _show(panel, f"{letter}: ")


def _show(panel: Panel, lead: str = "") -> None:
    """A figure under its message, which is also what is read aloud in its place."""
    title = lead + panel.title
    picture = b64encode(png(panel.draw())).decode("ascii")
    with solara.Div(classes=["live-panel", f"live-{panel.name}"]):
        solara.HTML(tag="h3", unsafe_innerHTML=escape(title))
        solara.HTML(tag="img", attributes={"src": f"data:image/png;base64,{picture}", "alt": title})
