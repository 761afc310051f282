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
# # A market in time
#
# Rounds here are not the iterations of one algorithm: the market begins settled, then something
# happens, and agents come to terms again, a little in every round.
#
# **Answers.** Everything is computed below, with two seeds; eight seeds and intervals are in
# [the market in time](../docs/the_market_in_time.md).
#
# - *Does the mixed algorithm track a moving market?* Yes, where operators keep room: expected
#   welfare is at its new level as soon as agents know. Not where the surge fills them.
# - *Do refunds discipline those who over-promise?* No: in the paper's utility a broken promise
#   costs a user nothing beyond the agreed latency, so a higher refund pays the violator.
# - *What does ignorance cost?* Users a part of what they had; operators nothing that two seeds
#   show.
# - *Who pays when the RAN takes the GPUs?* The patient, and most of all under a policy that
#   surprises operators.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {"dpi": 80}
import warnings

warnings.filterwarnings("ignore", message="IProgress not found")  # tqdm, of Mesa

import pandas as pd

from airan_market import Market, load_scenario
from airan_market.analysis.dynamics.figure import over_time
from airan_market.analysis.dynamics.forking import forked
from airan_market.analysis.dynamics.measures import shocks, static_welfare

SEEDS = (1, 2)
WELFARE = "social_welfare_realised_usd_per_s"


def played(scenario, seed=1):
    market = Market(scenario, seed=seed)
    return market, market.run()


def mean_of(scenario, figure, seeds=SEEDS):
    """Figure of the tables of a market, by seed."""
    return pd.Series({seed: figure(played(scenario, seed)[1]) for seed in seeds})


# %% [markdown]
# ## An operator fails, and recovers
#
# Its tasks under way wait and are late; from the next round on nobody takes it. The dotted line is
# what Algorithm 1 would come to if the conditions of the round stayed.

# %%
scenario = load_scenario("operator_fails")
market, tables = played(scenario)
warm_s, round_s = scenario.simulation.warmup_s, scenario.simulation.horizon_s
events = [(0.5 + (time - warm_s) / round_s, text) for time, text in
          ((34.0, "operator 1 fails"), (56.0, "operator 1 recovers"))]  # fmt: skip
settled = static_welfare(scenario, market.timeline)
names = [operator.name for operator in scenario.operators]
over_time(tables.rounds, tables.market, tables.operators, names, events, static=settled.tolist(),
          title="Users are back in the round after it has recovered")  # fmt: skip

# %% [markdown]
# ## Does it track?
#
# Rounds until expected welfare stays within 2 % of its new level; none where it does not before the
# next change.

# %%
rows = []
for name, changes in (
    ("operator_enters", [(8, ("enters",))]),
    ("operator_fails", [(8, ("fails",)), (12, ("recovers",))]),
    ("demand_surge", [(8, ("surge",)), (15, ("back",))]),
):
    path = played(load_scenario(name))[1].market["social_welfare_expected_usd_per_s"].to_numpy()
    rows += [(name, shock.events[0], shock.settled_after) for shock in shocks(path, changes)]
pd.DataFrame(rows, columns=["scenario", "event", "settled after"])

# %% [markdown]
# ## Do refunds discipline those who over-promise?
#
# Operator 2 announces half of the latencies it reckons with. The same future, with the refund
# quadrupled at round 13 and without: a paired difference, seed by seed.

# %%
bold = load_scenario("overpromise")
kept = forked(bold, 12, ["economics.refund_usd=1.2e-4"])


def profit(tables, operator):
    own = tables.operators.query("operator == @operator and round > 13")
    return own["operator_utility_realised_usd_per_s"].mean()


pd.DataFrame(
    {
        f"operator {m}": mean_of(bold, lambda t, m=m: profit(t, m))
        - mean_of(kept, lambda t, m=m: profit(t, m))
        for m in (1, 2, 3)
    }
).rename_axis("seed").round(3)

# %% [markdown]
# ## What does ignorance cost?
#
# In the demand surge, operators that know neither the shares of the types nor the tails of their
# own service, and estimate both. The difference to those who know, USD/s.

# %%
surge = load_scenario("demand_surge")
ignorant = load_scenario(
    "demand_surge", [f"operators.{m}.strategy.kind=learning" for m in (1, 2, 3)]
)


def of_users(tables):
    welfare = tables.market[WELFARE].mean()
    return welfare - tables.market["operator_utility_realised_usd_per_s"].mean()


pd.DataFrame(
    {
        "welfare": mean_of(ignorant, lambda t: t.market[WELFARE].mean())
        - mean_of(surge, lambda t: t.market[WELFARE].mean()),
        "users": mean_of(ignorant, of_users) - mean_of(surge, of_users),
    }
).rename_axis("seed").round(3)

# %% [markdown]
# ## Who pays when the RAN takes the GPUs?
#
# Part of the tasks of each type that are late, by policy of the orchestrator.


# %%
def late(tables):
    sums = tables.rounds.groupby("type")[["violations", "tasks"]].sum()
    return sums["violations"] / sums["tasks"]


pd.DataFrame(
    {
        policy: pd.concat(
            [
                late(played(load_scenario("ran_takes_gpus", [f"ran.policy.kind={policy}"]), n)[1])
                for n in SEEDS
            ],
            axis=1,
        ).mean(axis=1)
        for policy in ("threshold", "predictive", "fixed")
    }
).round(4)
