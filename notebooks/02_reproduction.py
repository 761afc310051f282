# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: jupytext,kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The paper, claim by claim: a detective story
#
# *Matching-with-Contracts for the AI-RAN Market* proposes a mechanism (here `mixed`) and compares
# it with three benchmarks: **CT**, posted contracts and users who reselect; **MC**, users who
# choose once and menus that follow; **GSMC**, deferred acceptance and menus that follow. Read as it
# is written, it prints numbers that do not come out. This notebook follows one of them, the
# latency promised to type 1, to the solver that seems to be behind it, and asks what becomes of all
# published claims when that is taken for granted.
#
# The paper leaves values out and shows **one** draw of the users' types. A *reading* settles what
# is left out: `ours` is the text as it stands, `as_published` what the authors seem to have
# computed. Few draws are made here, to be quick; `airan-market reproduce --reading all` makes a
# hundred.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {"dpi": 80}
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from scipy.optimize import minimize

# a package below has progress bars that miss ipywidgets; no bar is shown here
warnings.filterwarnings("ignore", message="IProgress not found")

from airan_market import Market, load_scenario, solve
from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.contract.descent import start_latencies
from airan_market.agents.contract.design import design_menu, load_and_weight, virtual_slope
from airan_market.agents.primitives.primitives import Primitives
from airan_market.analysis.figure_style import colours, panels, style, whole_ticks
from airan_market.analysis.reproduction.cells import (
    FITTED,
    Cell,
    cells,
    readings,
    reproduce,
    scenario_of,
    totals,
)
from airan_market.analysis.reproduction.claim import HOLDS, how_often, in_words
from airan_market.analysis.reproduction.comparison import standing
from airan_market.analysis.reproduction.contradictions import as_text, contradictions
from airan_market.analysis.reproduction.figures import drawable
from airan_market.analysis.reproduction.published import (
    TABLE_I_BENCHMARKS,
    TOTALS,
    default_totals,
    table_i,
)
from airan_market.analysis.reproduction.verdicts import verdict_rows

DRAWS = 5
base = load_scenario("teleoperation")
named = {reading.name: reading for reading in readings(["all"])}


def say(text: str) -> None:
    """Show a sentence whose numbers were computed."""
    display(Markdown(text))


def fitted_market(name: str, **settings: str):
    """Scenario of Table I under a reading, with the users that it is fitted to."""
    scenario = scenario_of(Cell("default", 0, 1, named[name]), base, FITTED)
    return load_scenario(scenario, [f"{key}={value}" for key, value in settings.items()])


# %% [markdown]
# ## 1. The menu of type 1
#
# The same market, the one that Table I fits best, with menus that are best (*exact*) and with
# menus at which a gradient solver stops (*local*). Left: what is promised at operator 1. Right:
# how often the promise is broken, believed and simulated, with traffic offered at the loads that
# the operators expect.

# %%
plays = {}
for design in ("exact", "local"):
    played = load_scenario(
        fitted_market("as_published"),
        [
            f"mechanism.design={design}", "simulation.rounds=2", "simulation.horizon_s=20",
            "simulation.assignment=proportional",
        ],
    )  # fmt: skip
    rounds = Market(played, seed=1).run().rounds
    plays[design] = rounds[(rounds["round"] == rounds["round"].max()) & (rounds["operator"] == 1)]
with style():
    figure, (left, right) = panels(2, columns=2, width_in=4.6, height_in=3.3)
    for place, (design, rows) in enumerate(plays.items()):
        look = {"color": colours(2)[place], "marker": "os"[place], "linestyle": ("-", "--")[place]}
        left.plot(rows["type"], 1e3 * rows["latency_s"], **look, label=design)
        right.plot(rows["type"], rows["violation_belief"], **look, label=f"{design}, believed")
        right.plot(
            rows["type"], rows["violation_rate"], color=colours(2)[place], marker="x+"[place],
            markersize=9, linestyle="none", label=f"{design}, simulated",
        )  # fmt: skip
    left.set(xlabel="user type", ylabel="agreed latency, ms", yscale="log")
    right.set(xlabel="user type", ylabel="part of the promises broken", ylim=(-0.05, 1.1))
    for axis in (left, right):
        whole_ticks(axis)
        axis.legend()
    figure.suptitle(
        "Type 1 is promised what is believed never to be kept, and is kept one time in four"
    )
display(figure)
service_ms = (
    1e3 * (1 / Primitives.from_scenario(fitted_market("as_published")).service_rate_per_s[0]).sum()
)
first = {design: rows[rows["type"] == 1].iloc[0] for design, rows in plays.items()}
say(
    "Type 1 at operator 1: "
    + "; ".join(
        f"{design}, promised {1e3 * row['latency_s']:.0f} ms, broken in "
        f"{row['violation_rate']:.0%} of the tasks"
        for design, row in first.items()
    )
    + f". Its three service times alone take {service_ms:.0f} ms on average."
)

# %% [markdown]
# ## 2. The clue
#
# Table I prints with what probability types 2 and 3 take each operator. The prices (25) leave type
# n + 1 the utility of type n and (β_n − β_{n+1}) L_n more, and the softmax (33) turns utilities
# into log odds against staying out. So three rows tell the ratio of the first two latencies.

# %%
for argument in contradictions():
    if argument.name == "table_i":
        print(argument.text())

# %% [markdown]
# ## 3. The suspect
#
# A solver that follows the gradient, started from latencies spread evenly over [L_min, L_max],
# with violations charged as min(1, p̃). Where type 1 starts its promise is broken for certain, so
# its risk is flat, and only the cost of waiting speaks: the solver pulls its latency down to L_min
# and stays. Here it is SLSQP, at operator 1, beside the two designs; uncapped it finds the exact
# one.

# %%
market = Primitives.from_scenario(fitted_market("as_published"))
load, weight = load_and_weight(market, np.full((3, 8), 0.25))
settings = market.mechanism
believed = operator_belief(market, load)
slope = virtual_slope(market.latency_sensitivity_usd_per_s, weight)[0]
risk = market.net_violation_cost_usd * weight[0]


def solved(capped: bool) -> np.ndarray:
    """Latencies at which SLSQP stops, in mUSD/s."""

    def raw(latency: np.ndarray) -> np.ndarray:
        return np.exp(believed.log_gain[0] - believed.exponent_per_s[0] * latency)

    def loss(latency: np.ndarray) -> float:
        p = raw(latency)
        return 1e3 * float(slope @ latency + risk @ (np.minimum(p, 1) if capped else p))

    def gradient(latency: np.ndarray) -> np.ndarray:
        p = raw(latency)
        pulled = risk * believed.exponent_per_s[0] * p
        return 1e3 * (slope - np.where((p < 1) | (not capped), pulled, 0.0))

    order = np.diff(np.eye(8), axis=0)
    return minimize(
        loss,
        start_latencies(8, settings.latency_min_s, settings.latency_max_s),
        jac=gradient,
        method="SLSQP",
        bounds=[(settings.latency_min_s, settings.latency_max_s)] * 8,
        constraints=[{"type": "ineq", "fun": lambda x: order @ x, "jac": lambda x: order}],
        options={"ftol": 1e-12, "maxiter": 1000},
    ).x


exact = Primitives.from_scenario(fitted_market("as_published", **{"mechanism.design": "exact"}))
menus = {
    "SLSQP, p capped": solved(capped=True),
    "design local": design_menu(market, load, weight).latency_s[0],
    "SLSQP, p not capped": solved(capped=False),
    "design exact": design_menu(exact, load, weight).latency_s[0],
}
display((1e3 * pd.DataFrame(menus, index=pd.RangeIndex(1, 9, name="type"))).round(2).T)
say(
    "In ms. On 200 random markets the rule is where a descent with short steps ends in all of "
    "them; SLSQP, whose steps are long, parts from it in 5, or 28 with the objective in USD/s, "
    "each time because a step jumped over the edge "
    "(`pytest -m long tests/agents/contract/test_descent.py`)."
)

# %% [markdown]
# ## 4. The table
#
# Under `as_published` Table I comes out, and so do the totals. **In sample**: the market and the
# users were fitted to it; the users are one of very many that would do (`airan-market identify`).

# %%
for name in ("ours", "as_published"):
    outcome = solve(fitted_market(name))
    found = outcome.match_probability.T
    worst = np.abs(found - table_i())
    sums = (outcome.operator_utility_usd_per_s.sum(), outcome.social_welfare_usd_per_s)
    told = ", ".join(
        f"{total} {value:.3f} (published {printed:.2f})"
        for total, value, printed in zip(TOTALS, sums, default_totals(), strict=True)
    )
    say(
        f"**{name}**: largest difference {worst.max():.4f}, at type "
        f"{worst.max(axis=1).argmax() + 1}; {told}."
    )
columns = [f"operator {m}" for m in (1, 2, 3)]
side_by_side = {"published": table_i(), "as_published": found, "difference": found - table_i()}
display(
    pd.concat(
        {
            k: pd.DataFrame(v, pd.RangeIndex(1, 9, name="type"), columns)
            for k, v in side_by_side.items()
        },
        axis=1,
    ).round(3)
)

# %% [markdown]
# ## 5. The accomplices
#
# The benchmarks follow simpler rules than the text: a type takes the best posted item at the posted
# violation probability (CT), at that of the load placed before it (MC), at that of an empty market
# without quotas (GSMC). Which operator takes each type, published and under each reading:

# %%
home = TemporaryDirectory()
wanted = cells(draws=DRAWS, wanted=list(named.values()))
frame = totals(reproduce(Path(home.name), wanted, processes=1))
fitted = frame[(frame["sweep"] == "default") & (frame["draw"] == FITTED)]
places = {}
for mechanism, published_places in TABLE_I_BENCHMARKS.items():
    places[mechanism.upper(), "published"] = published_places
    for name in named:
        one = fitted[(fitted["reading"] == name) & (fitted["mechanism"] == mechanism)].iloc[0]
        places[mechanism.upper(), name] = np.array(one["match_probability"]).argmax(axis=0) + 1
display(pd.DataFrame(places, index=pd.RangeIndex(1, 9, name="type")).T)

# %% [markdown]
# ## 6. The claims
#
# Every claim under every reading, by the rule of the median; a claim that a reading looked at is in
# sample. Then, of the claims out of sample, what the published single draw may be: how often it
# happens in a draw.

# %%
rows = {name: verdict_rows(frame, reading) for name, reading in named.items()}
stands = standing(list(named.values()), rows, frame).set_index("reading")
display(stands.drop(columns="description").round(3))

# %%
tally = pd.DataFrame(
    {
        "published": {row.claim: row.published for row in rows["ours"]},
        **{
            name: {
                row.claim: f"{row.verdict}; {how_often(row)}; {in_words(row.fitted)}" for row in own
            }
            for name, own in rows.items()
        },
    }
)
with pd.option_context("display.max_rows", None, "display.max_colwidth", 60):
    display(tally)

# %% [markdown]
# Claims that no reading brings out, even in these few draws:

# %%
never = [
    same[0].claim
    for same in zip(*rows.values(), strict=True)
    if all(row.verdict != HOLDS for row in same)
]
for claim in never:
    print("-", claim)

# %% [markdown]
# ## 7. Figures 3 to 6, as published
#
# Lines are medians, bands 90 % ranges over draws, stars what the paper prints. Figure 3 shows the
# menus at the fitted market.

# %%
for picture in drawable(frame[frame["reading"] == "as_published"]).values():
    display(picture)

# %% [markdown]
# ## 8. What no reading can bring out
#
# Some printed numbers contradict each other, whatever was computed. Each argument below uses the
# printed numbers and the paper's own model, no simulation and no reading (`airan-market reproduce
# --contradictions`).

# %%
print(as_text(contradictions()))

# %%
home.cleanup()

# %% [markdown]
# ## 9. Beyond the paper
#
# What the paper does not ask: better beliefs, a rent for type 1, the price of anarchy. See
# [02b_beyond_the_paper](02b_beyond_the_paper.ipynb).
