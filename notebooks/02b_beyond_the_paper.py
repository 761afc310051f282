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
# # Beyond the paper
#
# Three questions that the paper leaves open, asked of its default market:
#
# 1. A part of the most sensitive users stays out because the menu leaves them nothing. **How much
#    does a small rent recover**, and would one operator give it alone?
# 2. The paper shows that an equilibrium exists. **How far is the outcome from the best** that a
#    central planner could do?
# 3. Operators believe a bound that is far too careful. **What is a better belief worth**, who
#    profits and who is cheated?
#
# The answers come first, with the numbers of this very run; the pictures and the reasons follow.
# `airan-market questions` computes the same with more effort (all beliefs, price play to its
# end, draws of the users' shares) and leaves tables and figures.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {"dpi": 80}
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from IPython.display import Markdown, display

from airan_market.agents.primitives.primitives import Primitives
from airan_market.analysis.questions import beliefs, rent
from airan_market.analysis.questions import figures as question_figures
from airan_market.analysis.questions.cells import cells, compute
from airan_market.analysis.questions.report import findings, tables
from airan_market.analysis.store.cell_store import fill
from airan_market.scenarios import load_scenario

warnings.filterwarnings("ignore", message="IProgress not found")


def say(text: str) -> None:
    """Show a sentence whose numbers were computed."""
    display(Markdown(text))


# %%
ROUNDS, REPLICATIONS = 3, 8
BELIEFS = ("chernoff", "fifo", "priority")  # the others take longer
market = load_scenario("teleoperation")
primitives = Primitives.from_scenario(market)
wanted = [
    cell
    for cell in cells(market, draws=0, replications=REPLICATIONS)
    if cell.part in ("curve", "best", "fitted", "split", *BELIEFS)
]
home = TemporaryDirectory()
answers = fill(Path(home.name), {cell: cell.mark for cell in wanted}, compute, workers=1)
found = tables(answers)
rounds, settled = rent.margin_play(primitives, float(primitives.service_value_usd.max()), ROUNDS)
found["rent_play"] = rounds.assign(settled=settled)

# %% [markdown]
# ## Answers

# %%
say("\n".join(f"- {sentence}" for sentence in findings(found)))

# %% [markdown]
# ## 1. A small rent
#
# The prices of the paper, eq. (25), begin with R₁ = α₁q − β₁L₁ + R̄p₁: type 1 is left exactly
# nothing, at every operator and whatever its menu. Staying out is worth nothing too, so with three
# operators a quarter of type 1 stays out. A **participation margin** μ
# (`mechanism.participation_margin_usd`) lowers all prices of a menu by μ. Nothing else in the menu
# moves, since latencies do not depend on it, and every user is better off by μ.
#
# To users, being left μ more and having an alternative that is worth μ less are one thing. At rest
# a share 1 / (1 + M e^(μ/τ)) of type 1 stays out, τ the last temperature:

# %%
tau_usd, operators = market.mechanism.temperature_end_usd, primitives.operators
together = found["rent_curve"].query("who == 0").copy()
at_rest = 1 / (1 + operators * np.exp(together["margin_usd"] / tau_usd))
apart = (together["opt_out_type_1"] - at_rest).abs().max()
assert apart < 0.05, "type 1 does not answer the margin as the softmax says"
say(
    f"Played, {together['opt_out_type_1'].iloc[0]:.1%} stay out without a margin; over the whole "
    f"curve theory and play differ by {apart:.2g} at most. They would not differ at all if "
    f"Algorithm 1 had come to rest after its {market.mechanism.max_iterations} iterations."
)

# %%
planner = float(found["anarchy"]["planner_usd_per_s"].iloc[0])
question_figures.rent(found["rent_curve"], found["rent_best"], found["rent_play"], planner)

# %% [markdown]
# Left, the margin of all operators together: a small one helps everybody a little; with a larger
# one the operator with the fewest GPUs fills up, its agreements become worthless, and the gain is
# lost in one step. Middle, a margin as a weapon: one operator alone takes users from the others
# until it is full. Right, what follows when every operator chooses its own margin for itself, in
# turn: each has a reason to leave users more, prices go down round by round, and society gains what
# the operators lose and more, because the load spreads.

# %%
best = found["rent_best"]
best.assign(
    who=["all" if who == 0 else f"operator {who} alone" for who in best["who"]],
    margin_usd=best["margin_usd"].map("{:.3g}".format),
).set_index(["who", "goal"]).round(4)

# %% [markdown]
# ## 2. The price of anarchy
#
# A central planner sends every user where it likes and writes every menu. Prices and refunds only
# move money and drop out of welfare; what a violation costs beyond the refund, C̄ − R̄, stays. At a
# given load the best agreement of a type is then a problem of one unknown,
#
# > g(λ) = min over L of β L + (C̄ − R̄) p(L; λ),
#
# and the planner maximises Σ x (α₁q − κ − g(λ)) over the split x of the users. The problem is not
# concave, as every type delays all types after it. It is climbed from many starts; an upper bound
# comes from Lagrangian duality, with the inner problem solved exactly by dynamic programming.

# %%
table = found["anarchy"].set_index("mechanism")
here = table.iloc[0]
assert here["planner_usd_per_s"] <= here["upper_bound_usd_per_s"]
say(
    f"""The plan found is worth {here["planner_usd_per_s"]:.6g} USD/s, and no plan can be worth more
than {here["upper_bound_usd_per_s"]:.6g}: it is the best there is, to
{here["upper_bound_usd_per_s"] / here["planner_usd_per_s"] - 1:.1g} of itself. Its agreements rise
with the type, so the prices (25) make every type want its own:
{here["planner_incentive_compatible_usd_per_s"]:.6g} USD/s are left when types are private."""
)
table.round(4).T

# %%
question_figures.anarchy(found["anarchy"], found["anarchy_draws"], found["anarchy_split"])

# %%
lost = here["planner_usd_per_s"] - here["social_welfare_usd_per_s"]
menus = here["best_menus_usd_per_s"] - here["social_welfare_usd_per_s"]
say(
    f"""Of the {lost:.3g} USD/s that Algorithm 1 leaves on the table, the menus account for
{menus:.2g}: the planner's menus at the same matching recover {menus / lost:.0%}. The rest is the
matching: the planner loads all operators alike, in proportion to their GPUs, and leaves nobody out.
In the market patient users crowd where agreements are long, because long agreements of others are
what their rent is made of, and there they delay each other."""
)

# %% [markdown]
# ## 3. What a better belief is worth
#
# The same market, played under each belief: the paper's Chernoff bound, the exact tail of the queue
# that the paper bounds (`fifo`), the exact tail of the queue that really serves (`priority`). Then
# the traffic of each outcome is simulated at exactly the solved loads, the same tasks for all.
# *Realised* figures put the simulated violations in the place of the believed ones.

# %%
question_figures.beliefs(found["beliefs"])

# %%
whole = found["beliefs"].query("scope == 'market'")
whole.set_index(["quantity", "belief"])[
    ["expected", "realised", "low", "high", "verdict", "over_chernoff", "over_low", "over_high"]
].sort_index().round(5)

# %%
types = found["beliefs"].query("scope == 'type' and quantity == 'violation probability'")
types.pivot(index="number", columns="belief", values="verdict").loc[:, list(BELIEFS)]


# %%
def figure_of(belief: str, quantity: str) -> pd.Series:
    """Row of a total of the market."""
    rows = whole[(whole["belief"] == belief) & (whole["quantity"] == quantity)]
    return rows.iloc[0]


profit, users = (
    {name: figure_of(name, quantity) for name in BELIEFS}
    for quantity in ("operator utility", "user utility")
)
cheated = found["beliefs"].query(
    "scope != 'market' and quantity == 'violation probability' and verdict == 'worse'"
)
whom = [
    f"`{name}`: " + ", ".join(f"{row.scope} {row.number}" for row in rows.itertuples())
    for name, rows in cheated.groupby("belief")
]
agreed_ms = {
    cell.part: 1e3 * beliefs.Play.from_json(answers[cell]).menu.latency_s.mean()
    for cell in wanted
    if cell.question == "beliefs"
}
say(
    f"""Knowing the truth (`priority`) instead of the bound (`chernoff`) changes what operators
realise by {profit["priority"]["over_chernoff"]:+.3g} USD/s
({profit["priority"]["over_low"]:+.3g} to {profit["priority"]["over_high"]:+.3g}) and what users
realise by {users["priority"]["over_chernoff"]:+.3g}. The mean agreement of a menu is
{agreed_ms["chernoff"]:.0f} ms under the bound and {agreed_ms["priority"]:.0f} ms under the truth,
and the rent of patient users is made of the agreements of the impatient: the shorter these are,
the less is left to users, and the more of them stay out.

Under the bound every user pays in its price for refunds that hardly ever come: users realise
{users["chernoff"]["realised"]:.3g} USD/s where they expected {users["chernoff"]["expected"]:.3g}.
Broken more often than believed, beyond doubt: {"; ".join(whom) or "nothing, whatever the belief"}.
"""
)

# %%
assert {"chernoff", *BELIEFS} <= set(beliefs.NAMES)
home.cleanup()
