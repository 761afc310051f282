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
# # What competition does to latency contracts
#
# **Abstract.** The AI-RAN paper proves that its market has an equilibrium and computes another
# point: where its Algorithm 1 ends, an operator can still gain 40 % of all profits by another menu.
# We let operators answer one another until nobody gains. With prices tied to the paper's (25) they
# end at profits of an eighth and at half of the planner's welfare, all promising eight tenths of a
# second to users of whom many would pay for a tenth. With the price level free they end within
# 0.1 % of the planner's welfare, and users have what operators lose. The rule for prices, not
# competition, is what costs welfare.
#
# More starts, entry, other rules, simulation: `airan-market equilibrium teleoperation --margins`
# and [the page](../docs/equilibrium.md).

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {"dpi": 80}
import warnings

warnings.filterwarnings("ignore", message="IProgress not found")  # tqdm, of Mesa

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from airan_market import Primitives, load_scenario, plan, solve
from airan_market.agents.equilibrium import (
    Profile,
    Rules,
    accounts_of,
    best_answer,
    certified_gains,
    play,
    starts,
)

scenario = load_scenario("teleoperation")
market = Primitives.from_scenario(scenario)

# %% [markdown]
# ## The game
#
# A strategy is a latency for every type, never falling from the sensitive to the patient, and (with
# free margins) what the operator leaves to everybody. Prices follow from (25), so a type-$n$ user
# is left
#
# $$ u_n = \text{margin} + \sum_{j<n} (\beta_j - \beta_{j+1}) L_j , $$
#
# whatever the load. Users choose by the response (33) at its final temperature. Operators answer
# one after the other; the search for an answer is that of the certificates.

# %%
TIED, FREE = Rules(), Rules(margins=True)
begun = {rules: list(starts(market, 2, seed=1, rules=rules))[1] for rules in (TIED, FREE)}
found = {"prices tied to (25)": play(market, begun[TIED], TIED),
         "margins free": play(market, begun[FREE], FREE)}  # fmt: skip

for name, one in found.items():
    plt.semilogy(
        range(1, len(one.gains_usd_per_s) + 1), one.gains_usd_per_s.max(axis=1), label=name
    )
plt.title("answers one after the other: nobody gains any more")
plt.xlabel("round")
plt.ylabel("largest gain (USD/s)")
plt.legend()
plt.show()

# %% [markdown]
# ## Is it an equilibrium?
#
# The search begins everywhere again, with more menus and from the best path over a grid of all
# menus, and finds nothing.

# %%
pd.DataFrame(
    {
        name: [answer.gain_usd_per_s < 1e-6 * answer.before_usd_per_s
               for answer in certified_gains(market, one.profile, rules)]
        for (name, one), rules in zip(found.items(), (TIED, FREE), strict=True)
    },
    index=[f"operator {m + 1} gains less than 1e-6 of its profit" for m in range(3)],
)  # fmt: skip

# %% [markdown]
# ## What it is worth

# %%
published = solve(scenario)
planned = plan(scenario, bound=False)
outcomes = {"published": published} | {
    name: accounts_of(market, one.profile) for name, one in found.items()
}
table = pd.DataFrame(
    {
        name: {
            "operators' profit (USD/s)": outcome.operator_utility_usd_per_s.sum(),
            "social welfare (USD/s)": outcome.social_welfare_usd_per_s,
            "of the planner's": outcome.social_welfare_usd_per_s / planned.first_best_usd_per_s,
            "mean latency promised (s)": np.average(
                outcome.menu.latency_s, weights=outcome.tasks_per_s
            ),
        }
        for name, outcome in outcomes.items()
    }
).T
table.round(3)

# %% [markdown]
# Tied prices make operators compete by promising worse: the information rent of the patient grows
# with the latency of those before them, and it is the only thing an operator can offer more of.

# %%
for name, outcome in outcomes.items():
    for m, latencies in enumerate(outcome.menu.latency_s):
        plt.semilogy(range(1, 9), latencies, color=f"C{list(outcomes).index(name)}",
                     label=name if m == 0 else None)  # fmt: skip
plt.title("tied prices: competition by longer latencies")
plt.xlabel("type (1: most sensitive)")
plt.ylabel("latency promised (s)")
plt.legend()
plt.show()

# %% [markdown]
# ## One step of the argument, by hand
#
# All promise 0.1 s to everybody. One operator promises 0.2 s to all: it may ask less of everybody
# but the first type, and takes most of the patient.

# %%
flat = Profile(np.full((3, 8), 0.1), np.zeros(3))
longer = flat.of(0, np.full(8, 0.2), 0.0)
shares = pd.DataFrame(
    {
        "all 0.1 s": accounts_of(market, flat).match_probability[0],
        "operator 1 at 0.2 s": accounts_of(market, longer).match_probability[0],
    },
    index=pd.Index(range(1, 9), name="type"),
)
profit = [accounts_of(market, p).operator_utility_usd_per_s[0] for p in (flat, longer)]
answer = best_answer(market, flat, 0)
print(f"profit of operator 1: {profit[0]:.3f}, {profit[1]:.3f} USD/s; "
      f"with its best answer {answer.value_usd_per_s:.3f}")  # fmt: skip
shares.round(2)

# %% [markdown]
# ## Where there is none
#
# With three types instead of eight tied prices have no rest. Latencies are raised until one
# operator drops to the sensitive, the others follow, and it begins again: an Edgeworth cycle.

# %%
three = load_scenario(
    "teleoperation",
    ["users.latency_sensitivity_usd_per_s=[8e-4, 4e-4, 1e-4]", "users.shares=[0.3, 0.3, 0.4]"],
)
small = Primitives.from_scenario(three)
cycling = play(small, list(starts(small, 2, 1, TIED))[1], TIED, rounds=44)
print(f"at rest: {cycling.settled}; the same profile again after {cycling.cycle_rounds} rounds")
plt.plot(range(1, 45), cycling.profit_usd_per_s)
plt.title("three types, tied prices: no rest")
plt.xlabel("round")
plt.ylabel("profit of each operator (USD/s)")
plt.show()

# %% [markdown]
# ## What it does not say
#
# The gain of a deviation is what searches find; a proven bound excludes only large ones
# (`certificates.csv`). Prices of rivals follow their loads, as in the paper's best response; posted
# prices are another game. That every start arrives at one profile is no proof that it is the only
# one. And operators know all: learners are not here.
