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
# # Pricing answers by contract
#
# A provider serves language models of different quality. Users differ in what quality is worth to
# them, and only they know how much. PACT (*A Contract-Theoretic Framework for Pricing Agentic AI
# Services Powered by Large Language Models*) offers a **menu**, one quality and price for each type
# of user, such that everybody picks the item meant for it.
#
# **Answers.**
#
# - *Does everybody pick its own item?* Yes, by construction, and every constraint is checked. But
#   each type is **exactly indifferent** to the item below its own: nothing is left to hold it when
#   an item turns out a little worse than promised.
# - *Do the paper's claims hold?* Seven of eight with the values that we assume where it gives none.
#   The one that fails is the provider's loss under liability: it needs more than twice the
#   liability that the paper sets. Other assumptions give other answers;
#   `airan-market pact pact --claims` tries thousands.
# - *Does the menu keep its promise when requests really queue?* At light load, to the digit.
#   Quality counts seconds, so congestion eats it: the promise holds up to a number of users that
#   is well below what the servers can carry, and it is lower the more requests vary in size.
# - *And when users learn of it?* If they choose by measured quality, an overloaded item empties
#   at once, the next one is overrun, and the provider keeps the cheap users only.
#
# Every number below is computed here. The commands are `airan-market pact pact` and
# `airan-market run pact`.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {"dpi": 80}
import warnings
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from airan_market.agents.pact import solve_pact
from airan_market.agents.pact.policy.liability import break_even
from airan_market.analysis import load_run
from airan_market.analysis.figure_style import colours, panels, style, whole_ticks
from airan_market.analysis.pact.claims import CLAIMS, judge
from airan_market.analysis.pact.figures import liability, menus, own_items, services, utilities
from airan_market.analysis.pact.tables import liability_table, service_table
from airan_market.analysis.pact_run import figures
from airan_market.analysis.pact_run.summary import summarise, type_table
from airan_market.analysis.play import play
from airan_market.scenarios import load_pact

# a package below has progress bars that miss ipywidgets; no bar is shown here
warnings.filterwarnings("ignore", message="IProgress not found")


def say(text: str) -> None:
    """Show a sentence whose numbers were computed."""
    display(Markdown(text))


# %% [markdown]
# ## 1. Services and the menu
#
# A request is sent, turned into tokens and computed; the time of each is known from its size, and
# so is its cost. Quality is half the probability that the answer meets what the user expects, half
# one minus the seconds it takes:
#
# $$q = \delta A + (1 - \delta)(1 - T).$$
#
# A curve through the services says what any quality between them would cost.

# %%
scenario = load_pact("pact")
outcome = solve_pact(scenario)
solved = outcome.markets[0]
service_table(solved)[
    ["service", "quality", "satisfaction", "latency_s", "base_cost_usd", "liability_usd"]
].round(3)

# %%
services(solved)

# %% [markdown]
# The menu maximises what the provider expects, subject to two things: nobody is better off outside,
# and nobody is better off with another type's item. Left, each type's utility from every item: its
# own is the best.

# %%
own_items(solved)

# %%
contract = solved.contract
gain = contract.choice_utility_usd() - contract.user_utility_usd[:, np.newaxis]
below = np.array([gain[k, k - 1] for k in range(1, len(gain))])
assert np.abs(below).max() < 1e-12
assert all(found.holds for found in solved.certificates().values())
say(
    f"""Certificates: {"; ".join(solved.certificates()["without liability"].sentences())}. The most
that a type would lose by taking the item below its own is {-below.min():.1e} USD: it is
indifferent, which is how the provider gets the most out of the types above."""
)

# %% [markdown]
# ## 2. The paper's experiment
#
# Liability is an expected cost of each answer that does harm; worse models do more. It raises the
# costs of low quality most, so the menu moves up.

# %%
menus(solved)

# %%
utilities(solved)

# %%
verdicts = judge(solved.market, solved.liability_level)
judged = {text: "holds" if verdicts[name] else "fails" for name, text in CLAIMS.items()}
pd.Series(judged, name="here").rename_axis("claim").to_frame()

# %%
held = sum(bool(verdicts[name]) for name in CLAIMS)
assert [name for name in CLAIMS if not verdicts[name]] == ["negative with"]
kinds = ("continuous", "discrete")
zero = {kind: break_even(replace(solved.market, menu=kind)).level for kind in kinds}
assert min(zero.values()) > 2
say(
    f"""{held} of {len(CLAIMS)} hold. The provider's expected utility falls from
{verdicts["provider without, USD"]:.2f} to {verdicts["provider with, USD"]:.2f} USD a request under
the paper's liability. It is zero at {zero["continuous"]:.2f} times that liability along the curve,
and at {zero["discrete"]:.2f} times with the eight services alone."""
)

# %% [markdown]
# Who gains from liability, by its level: provider, users, both together, and society if harm is
# counted as harm.

# %%
points, zeros = liability_table(solved.market)
liability(points, zeros)

# %% [markdown]
# ## 3. The promise, served
#
# Only configured services can be run, so from here on the menu is the discrete one, with liability
# in its costs. 300 users send a request every ten seconds each; every request passes transmission,
# tokenisation and inference of its service, four servers each, first come first served; its answer
# meets what was expected with probability A, and costs the provider damages when it does not.

# %%
home = TemporaryDirectory()
run = load_run(play(scenario, seed=1, out=Path(home.name) / "light").path)
light = type_table(run.rounds)
figures.promises(light)

# %%
summary = summarise(run)
calm = light["latency_s_measured"] / light["latency_s_promised"] - 1
say(
    f"""{summary["requests"]} requests. Response times are longer than promised by
{calm.max():.2%} at the most. Quality differs from the promise by the luck of answers;
{summary["verdicts"]["as promised"]} of {len(light)} intervals hold it, where one in twenty may
miss."""
)

# %%
figures.profit(light)

# %%
money = summary["provider_utility_usd"]
lost = light[light["provider_utility_usd_measured"] < 0]
say(
    f"""The provider was promised {money["promised"]["mean"]:.0f} USD a round by its own menu and
realised {money["realised"]["mean"]:.0f}. It loses on {len(lost)} types, those that buy
{run.scenario.pact.services[int(lost["service"].iloc[0]) - 1].name}: it has to serve them, and each
unmet answer costs more than they pay. {summary["liability_events"]} answers were unmet and cost
{summary["liability_usd"]:.0f} USD."""
)

# %% [markdown]
# ## 4. How many users does the promise bear?
#
# More users wait longer, and seconds are quality. Below, the quality of each service against the
# number of users of the market, on common random numbers, until it is 0.01 below the promise.

# %%
names = [service.name for service in run.scenario.pact.services]
figures.capacity(run.capacity, run.capacity_curve, names, run.scenario.traffic.users)

# %% [markdown]
# How many depends on how much requests vary. With exponential times at every station theory knows
# the answer (queues of the kind M/M/c in a row), and it must lie in the interval.

# %%
from airan_market.agents.pact.run.model import (
    PactSimulation,  # brings Mesa, whose warning is filtered above
)

tables = {"deterministic": run.capacity}  # as it was run above
for law in ("exponential", "{lognormal_cv = 2.0}"):
    varied = load_pact("pact", [f"traffic.law={law}", "simulation.rounds=1"])
    tables[law] = PactSimulation(varied, seed=1).run().capacity
rows = []
for law, table in tables.items():
    first = table.loc[table["users"].idxmin()]
    rows.append({"sizes": law, **first[["users", "users_low", "users_high", "users_theory"]],
                 "saturation": first["users_saturation"]})  # fmt: skip
borne = pd.DataFrame(rows).set_index("sizes").astype("Float64")
borne

# %%
jackson = borne.loc["exponential"]
assert jackson["users_low"] <= jackson["users_theory"] <= jackson["users_high"]
say(
    f"""{borne.loc["deterministic", "users"]:.0f} users with requests of one size,
{jackson["users"]:.0f} with exponential ones ({jackson["users_theory"]:.0f} by theory), though the
servers could carry {jackson["saturation"]:.0f}."""
)

# %% [markdown]
# ## 5. When users learn of it
#
# The same market with 1350 users and exponential sizes: close to saturation. Once users trust what
# the menu promises, once, from the second round on, what was measured in the round before.

# %%
CROWD = ["traffic.law=exponential", "traffic.users=1350", "simulation.rounds=8",
         "simulation.horizon_s=30"]  # fmt: skip
crowded = {
    trust: PactSimulation(
        load_pact("pact", [*CROWD, f"traffic.trust={trust}"]), seed=1, capacity=False
    ).run()
    for trust in ("promised", "measured")
}
crowded["measured"].rounds.pivot(index="type", columns="round", values="service").astype(
    object
).fillna("out")

# %% [markdown]
# The table: which service each type takes, round by round.

# %%
with style():
    figure, axes = panels(2, 2, 4.8, 3.4)
    for axis, side in zip(axes, ("provider", "user"), strict=True):
        looks = zip(crowded.items(), colours(2), ("o-", "s--"), strict=True)
        for (trust, tables), colour, look in looks:
            axis.plot(
                tables.market["round"], tables.market[f"{side}_utility_realised_usd"], look,
                color=colour, label=f"users trust what is {trust}",
            )  # fmt: skip
        axis.set(xlabel="round", ylabel=f"utility of {side}s, USD a round")
        whole_ticks(axis)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
figure

# %%
provider = {trust: t.market["provider_utility_realised_usd"] for trust, t in crowded.items()}
left = crowded["measured"].rounds.query("round == 2 and type > 7 and type < 15")["service"]
rush = crowded["measured"].items.query("round == 2 and service == 8").iloc[0]
assert (left != 7).all()
assert rush["latency_measured_s"] > 5 * rush["latency_promised_s"]
assert provider["measured"].iloc[-1] < 0.5 * provider["promised"].iloc[-1]
say(
    f"""In round 1 the busiest service answers late. In round 2 all {len(left)} types that had
bought it are gone, most of them to the best service, which then answers after
{rush["latency_measured_s"]:.1f} s instead of {rush["latency_promised_s"]:.2f} s; in round 3 they
leave that one too. A service that nobody uses is not measured again, so its rating stays, and they
do not come back: the provider ends at {provider["measured"].iloc[-1]:.0f} USD a round instead of
{provider["promised"].iloc[-1]:.0f}. A menu that leaves users indifferent needs servers enough that
its promises are kept, or a margin in its prices."""
)

# %%
home.cleanup()
