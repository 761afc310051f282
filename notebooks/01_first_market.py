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
# # A first market
#
# An AI task can be computed inside a mobile network: its input goes **up** by radio, a **GPU**
# works on it, the answer comes **down** by radio. Several **operators** sell this. Each posts a
# **menu** of contracts, *at most so much latency for such a price*. **Users** differ in how much
# waiting costs them; each takes the contract of one operator, or stays out. Then every single task
# is simulated, and what was promised meets what happened.
#
# This notebook plays a small run, reads the menus, sees who takes what and whether promises are
# kept, follows the money, and traces one broken contract task by task. It needs nothing done
# before.

# %%
# %matplotlib inline
# %config InlineBackend.print_figure_kwargs = {"dpi": 80}
import warnings
from math import fsum
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from airan_market.analysis import figures, load_run
from airan_market.analysis.figure_style import style
from airan_market.analysis.play import play
from airan_market.analysis.runs.violations import violation_table
from airan_market.scenarios import load_scenario
from airan_market.sim import simulate
from airan_market.sim.workload import Workload

# a package below has progress bars that miss ipywidgets; no bar is shown here
warnings.filterwarnings("ignore", message="IProgress not found")


def say(text: str) -> None:
    """Show a sentence whose numbers were computed."""
    display(Markdown(text))


# %% [markdown]
# ## 1. Play it
#
# `play` leaves a run directory, exactly as the command `airan-market run` does; here in a temporary
# place and with few, short rounds. To look at a run of your own, give `load_run` its directory,
# `run = load_run("runs/...")`: everything below reads only `run`.

# %%
scenario = load_scenario("teleoperation", ["simulation.rounds=4", "simulation.horizon_s=4.0"])
home = TemporaryDirectory()
played = play(scenario, seed=2, out=Path(home.name) / "first_market")  # other seeds, other stories
run = load_run(played.path)

# %%
scenario, tasks = run.scenario, run.tasks
users, task, money = scenario.users, scenario.task, scenario.economics
names = [operator.name for operator in scenario.operators]
last = run.rounds[run.rounds["round"] == run.rounds["round"].max()]
operators, types = len(names), last["type"].nunique()

say(
    f"{users.total} users of {types} types, {operators} operators, {run.manifest.rounds} rounds "
    f"of {scenario.simulation.horizon_s:g} s after {scenario.simulation.warmup_s:g} s of warm-up, "
    f"{len(tasks)} tasks. Each user asks for {users.tasks_per_user_per_s:g} tasks/s, all users "
    f"together for {users.total * users.tasks_per_user_per_s:g} tasks/s."
)

# %% [markdown]
# A stage of an operator is a number of equal servers. What a stage can do is servers / mean service
# time; the smallest of the three numbers is what the operator can do.

# %%
stages = {
    "uplink": lambda o: (o.uplink.servers, task.input_bits / o.uplink.rate_bps),
    "GPU": lambda o: (o.gpu.servers, task.work_flop / o.gpu.rate_flop_per_s),
    "downlink": lambda o: (o.downlink.servers, task.output_bits / o.downlink.rate_bps),
}
pd.DataFrame(
    [
        {
            "operator": operator.name,
            "stage": name,
            "servers": stage(operator)[0],
            "mean service time (ms)": round(1e3 * stage(operator)[1], 3),
            "capacity (tasks/s)": round(stage(operator)[0] / stage(operator)[1]),
        }
        for operator in scenario.operators
        for name, stage in stages.items()
    ]
).set_index(["operator", "stage"])

# %% [markdown]
# ## 2. The menus
#
# Type 1 is the most impatient: a second of latency costs it the most. The more patient a type, the
# longer the latency that its contract agrees to, and the lower the price. Faint lines are the menus
# of earlier rounds, while operators and users were still negotiating.

# %%
figures.menus(run.rounds, names)

# %%
menu = last.assign(
    **{"latency (ms)": 1e3 * last["latency_s"], "price (10⁻⁴ USD)": 1e4 * last["price_usd"]}
)
menu.pivot_table(
    index="type", columns="operator", values=["latency (ms)", "price (10⁻⁴ USD)"]
).round(2)

# %% [markdown]
# Nobody can see a user's type, so a menu is built such that each type *wants* the contract meant
# for it. What a task is worth to a user under a contract is
#
# > u = V − β · L − R + R̄ · p
#
# with V the value of the service (USD), β what a second of latency costs the user (USD/s), L the
# agreed latency (s), R the price (USD), R̄ the refund when the agreement is broken (USD), and p the
# probability of that, as the operator believes it.


# %%
def by_operator_and_type(column: str) -> np.ndarray:
    """A column of the last round's contracts as an array (operators, types)."""
    return last.pivot_table(index="operator", columns="type", values=column).to_numpy()


values_usd = np.array(
    [
        money.service_value_usd if o.service_value_usd is None else o.service_value_usd
        for o in scenario.operators
    ]
)
beta_usd_per_s = np.array(users.latency_sensitivity_usd_per_s)
terms_usd = money.refund_usd * by_operator_and_type("violation_belief") - by_operator_and_type(
    "price_usd"
)
waiting_usd = beta_usd_per_s[:, np.newaxis] * by_operator_and_type("latency_s")[:, np.newaxis, :]
# [m, n, j]: what contract j of operator m is worth to a user of type n
worth_usd = values_usd[:, np.newaxis, np.newaxis] - waiting_usd + terms_usd[:, np.newaxis, :]
own_usd = np.diagonal(worth_usd, axis1=1, axis2=2)  # [m, n]: the contract meant for n
gain_usd = (worth_usd - own_usd[:, :, np.newaxis]).max()

assert gain_usd <= 1e-9 * own_usd.max(), "a type prefers the contract of another"
say(
    f"Of {operators * types * (types - 1)} ways to take the contract of another type at the same "
    f"operator the best gains {gain_usd:.0e} USD a task, where contracts are worth up to "
    f"{own_usd.max():.1e} USD: nothing but rounding."
)

# %% [markdown]
# ## 3. Who takes what
#
# A user of type n takes operator m with probability z: the better a contract, the likelier, but no
# option is ruled out. Staying out is one of the options and is worth the opt-out utility.

# %%
figures.matching(run.rounds, names)

# %%
probability = by_operator_and_type("match_probability")
stays_out = 1 - probability.sum(axis=0)
rows = pd.RangeIndex(1, types + 1, name="type")
worth = pd.DataFrame(1e4 * own_usd.T + 0.0, rows, names)
taken = pd.DataFrame(np.column_stack([probability.T, stays_out]), rows, [*names, "stays out"])
pd.concat({"u, worth of a task (10⁻⁴ USD)": worth, "z, probability": taken}, axis=1).round(3)

# %%
assert np.allclose(own_usd[:, 0], 0.0, atol=1e-9 * own_usd.max()), "type 1 is left something"
say(
    f"""Why does {stays_out[0]:.0%} of type 1 stay out? Its price is the most that it would pay: up
to rounding its contracts are worth nothing to it ({np.abs(own_usd[:, 0]).max():.0g} USD), and
staying out is worth {money.opt_out_utility_usd:g} USD. So {operators} operators and staying out are
{operators + 1} options of the same worth, and each is taken with probability 1/{operators + 1} =
{1 / (operators + 1):.0%}. More patient types have to be left something, or they would rather
pretend to be impatient; of type {types} only {stays_out[-1]:.1%} stay out.

How much better counts how much is set by the temperature τ: an option that is better by τ is e
times as likely. τ falls from round to round, to {run.market["temperature"].iloc[-1]:.1e} USD in the
last: users explore first and choose sharply in the end."""
)

# %% [markdown]
# A probability is not a head count. In a round every user draws once from its probabilities, so
# operators get more or fewer tasks than they expected when they wrote their menus:

# %%
run.operators[
    [
        "round",
        "operator",
        "load_expected_tasks_per_s",
        "offered_tasks_per_s",
        "capacity_tasks_per_s",
    ]
].set_index(["round", "operator"]).round(0)

# %% [markdown]
# (The capacity is that of the tightest stage, less a safety margin.)
#
# ## 4. Believed and simulated
#
# A contract is **violated** when a task takes longer than agreed. Operators write their menus with
# a probability of that which they believe: by default an upper bound from queueing theory
# (Chernoff's) for steady traffic at the load they expect. The simulation counts.

# %%
LEVEL = 0.95
figures.violations(run.rounds, run.tally, names, level=LEVEL)

# %%
cells = violation_table(run.rounds, run.tally, level=LEVEL)
verdicts = ", ".join(f"{word}: {n}" for word, n in cells["verdict"].value_counts().items())
say(
    f"""**How to read an interval.** A simulated rate is counted from a sample. Over many runs
intervals made like this hold the true rate in {LEVEL:.0%} of cases, each by itself; of
{len(cells)} about {(1 - LEVEL) * len(cells):.1g} may miss. Tasks of neighbouring rounds share
draws of users and queues, so the interval counts batches of the {run.manifest.rounds} rounds as the
independent pieces, not the tasks: that makes it wide. The operator's belief *covers* what happened
when a whole interval lies at or below it, and is *too low beyond doubt* when it lies above it; for
this, intervals are widened until all of them hold together, which takes more rounds than these.
Here, of {len(cells)} pairs of operator and type: {verdicts}."""
)

# %% [markdown]
# The pairs with the most violations for what was believed:

# %%
cells.sort_values("ratio", ascending=False).head(5)[
    ["operator", "type", "decided", "violations", "believed", "simulated", "low", "high", "verdict"]
].round(5).set_index(["operator", "type"])

# %% [markdown]
# ## 5. What it is worth, and where the money went
#
# Every utility exists twice. *Expected* takes the matching probabilities and the believed
# violations; *realised* takes the users who came and the tasks that were late. Social welfare is
# what operators and users have together.

# %%
figures.utilities(run.market, run.operators, names)

# %% [markdown]
# Every task is settled by itself: the user pays the price when the task arrives, and gets the
# refund when it is late. Let us recompute both sides. What users paid and got back is added up from
# the tasks, user by user; what operators received and gave back was booked by them in
# `rounds.parquet`.

# %%
under_contract = tasks[tasks["round"] > 0]  # round 0 is the warm-up
by_user = under_contract.groupby(["round", "user"])
user_side = by_user[["price_usd", "refund_usd"]].sum().groupby("round").agg(fsum)
operator_side = run.rounds.groupby("round")[["revenue_usd", "refunds_usd"]].agg(fsum)
ledger = pd.DataFrame(
    {
        ("prices (USD)", "paid by users"): user_side["price_usd"],
        ("prices (USD)", "received by operators"): operator_side["revenue_usd"],
        ("prices (USD)", "difference"): user_side["price_usd"] - operator_side["revenue_usd"],
        ("refunds (USD)", "paid by operators"): operator_side["refunds_usd"],
        ("refunds (USD)", "received by users"): user_side["refund_usd"],
        ("refunds (USD)", "difference"): operator_side["refunds_usd"] - user_side["refund_usd"],
    }
)
ledger

# %%
apart_usd = ledger.xs("difference", axis=1, level=1).abs().to_numpy().max()
turnover_usd = user_side["price_usd"].max()
assert apart_usd <= 1e-12 * turnover_usd, "money was lost or made"
say(
    f"""Money paid is money received. In rounds of up to {turnover_usd:.3g} USD the largest
difference is {apart_usd:.0e} USD: the payments of {len(under_contract)} tasks were added in two
orders, and every sum is rounded."""
)

# %% [markdown]
# ## 6. One broken contract
#
# Of all tasks that ended, which overran its agreement the most? (The seed of this run was picked
# for a task that others got in the way of. With many a seed it is one that met nobody and had too
# much work of its own; the cells below tell that story as well.)

# %%
overrun_s = tasks["latency_s"] - tasks["agreed_latency_s"]  # missing while a task is under way
traced = tasks.loc[overrun_s.idxmax()]
operator = scenario.operators[traced["operator"] - 1]
spent = pd.DataFrame(
    {
        "from (ms)": traced[["arrival_s", "uplink_end_s", "gpu_end_s"]].to_numpy(dtype=float),
        "to (ms)": traced[["uplink_end_s", "gpu_end_s", "downlink_end_s"]].to_numpy(dtype=float),
    },
    index=["uplink", "GPU", "downlink"],
)
spent = 1e3 * (spent - traced["arrival_s"])
service_s = traced[["uplink_service_s", "gpu_service_s", "downlink_service_s"]]
spent["served (ms)"] = 1e3 * service_s.to_numpy(dtype=float)
idle_ms = spent["to (ms)"] - spent["from (ms)"] - spent["served (ms)"]
spent["waited (ms)"] = idle_ms.round(6) + 0.0  # a time of the clock is rounded, its difference too
spent["interrupted (times)"] = traced[
    ["uplink_preemptions", "gpu_preemptions", "downlink_preemptions"]
].to_numpy(dtype=int)

say(
    f"""Task {traced["task"]} of user {traced["user"]}, of type {traced["type"]}, at
{operator.name} in round {traced["round"]}: it was to take {1e3 * traced["agreed_latency_s"]:.1f} ms
and took {1e3 * traced["latency_s"]:.1f} ms; the agreement was
{"violated" if traced["violated"] else "kept"}. It needed {spent["served (ms)"].sum():.1f} ms of
service and waited {spent["waited (ms)"].sum():.1f} ms."""
)
spent.round(2)

# %% [markdown]
# Which tasks stood in its way at the GPU? The task table is enough to tell. A task is at the GPUs
# from the end of its uplink to the end of its GPU stage, and at every instant the GPUs serve the
# first of those present in the order of **type, then arrival at the stage**. An arrival of a more
# impatient type takes the server of the last in that order, who keeps its place and goes on later.


# %%
def gpu_history(task: pd.Series, servers: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Who was served at the GPUs of an operator while the task was there.

    Returns the tasks present (in order of service), the instants at which anything changed (s), and
    for each span between two instants whether each task was in service.
    """
    here = tasks[
        (tasks["operator"] == task["operator"])
        & (tasks["uplink_end_s"] < task["gpu_end_s"])
        & ~(tasks["gpu_end_s"] <= task["uplink_end_s"])  # later, or not yet
    ].sort_values(["type", "uplink_end_s", "task"])
    arrival_s, end_s = here["uplink_end_s"].to_numpy(), here["gpu_end_s"].fillna(np.inf).to_numpy()
    times_s = np.unique(np.concatenate([arrival_s, end_s]))
    times_s = times_s[(times_s >= task["uplink_end_s"]) & (times_s <= task["gpu_end_s"])]
    since_s = times_s[:-1, np.newaxis]
    present = (arrival_s <= since_s) & (since_s < end_s)
    return here, times_s, present & (present.cumsum(axis=1, dtype=np.int32) <= servers)


here, times_s, served = gpu_history(traced, operator.gpu.servers)
span_s = np.diff(times_s)
mine = (here["task"] == traced["task"]).to_numpy()
at_work = served[:, mine].ravel()
interrupted = np.flatnonzero(at_work[:-1] & ~at_work[1:]) + 1

assert np.isclose(span_s[at_work].sum(), traced["gpu_service_s"], rtol=1e-9)
assert len(interrupted) == traced["gpu_preemptions"]
say(
    f"The reconstruction gives the task {1e3 * span_s[at_work].sum():.3f} ms of GPU and "
    f"{len(interrupted)} interruptions; the table says {1e3 * traced['gpu_service_s']:.3f} ms and "
    f"{traced['gpu_preemptions']}."
)

# %% [markdown]
# Now a picture. Above, the task on its way through the stages; below, the servers of the GPU stage
# meanwhile. Light grey are the tasks that overtook it: they came later and went first. (The servers
# are equal, and which one served whom is not recorded: a bar takes the first free row.)


# %%
def pieces_of_service() -> pd.DataFrame:
    """Every uninterrupted piece of service at the GPUs, in the first row that is free for it."""
    edges = np.diff(np.pad(served.astype(np.int8), ((1, 1), (0, 0))), axis=0)
    who, start = np.nonzero(edges.T == 1)
    _, stop = np.nonzero(edges.T == -1)
    pieces = here.iloc[who][["task", "type", "uplink_end_s"]]
    pieces = pieces.assign(start_s=times_s[start], stop_s=times_s[stop])
    pieces = pieces.sort_values(["start_s", "task"])
    free_from_s, rows = np.full(operator.gpu.servers, -np.inf), []
    for start_s, stop_s in pieces[["start_s", "stop_s"]].to_numpy():
        rows.append(np.argmax(free_from_s <= start_s))
        free_from_s[rows[-1]] = stop_s
    return pieces.assign(row=np.array(rows) + 1)


def kind_of(pieces: pd.DataFrame) -> np.ndarray:
    """How each piece stands to the traced task."""
    later = pieces["uplink_end_s"] > traced["uplink_end_s"]
    more_impatient = pieces["type"] < traced["type"]
    kinds = {
        "this task": pieces["task"] == traced["task"],
        "more impatient, came later": more_impatient & later,
        "more impatient, was there": more_impatient & ~later,
        "same type, was there": (pieces["type"] == traced["type"]) & ~later,
    }
    return np.select(list(kinds.values()), list(kinds), "behind it in the order")


LOOKS = {
    "this task": {"color": "black"},
    "more impatient, came later": {"color": "0.87"},
    "more impatient, was there": {"color": "0.68"},
    "same type, was there": {"color": "0.45"},
    "behind it in the order": {"facecolor": "white", "hatch": "....", "edgecolor": "0.6"},
}


def since_arrival_ms(times: pd.Series) -> pd.Series:
    """Absolute times (s) as time since the traced task arrived (ms)."""
    return 1e3 * (times - traced["arrival_s"])


def draw_gpus(axis: Axes, pieces: pd.DataFrame) -> None:
    """The servers of the GPU stage, a row each."""
    for kind, group in pieces.groupby(kind_of(pieces)):
        look = {"edgecolor": "white", "linewidth": 0.4} | LOOKS[kind]
        width_ms = 1e3 * (group["stop_s"] - group["start_s"])
        start_ms = since_arrival_ms(group["start_s"])
        axis.barh(group["row"], width_ms, left=start_ms, height=0.86, **look)
    axis.set(xlabel="time since the task arrived (ms)", ylabel="GPU server")
    axis.set_ylim(0.4, operator.gpu.servers + 0.6)
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(visible=False)


def draw_life(axis: Axes, own: pd.DataFrame) -> None:
    """The traced task in its three stages: waiting hatched, served black."""
    start, width = spent["from (ms)"], spent["to (ms)"] - spent["from (ms)"]
    hatched = {"color": "white", "edgecolor": "0.3", "hatch": "////", "linewidth": 0.8}
    axis.barh(spent.index, width, left=start, height=0.62, **hatched)
    for stage in ("uplink", "downlink"):  # drawn as if it waited first and was then served
        served_ms = spent.loc[stage, "served (ms)"]
        left_ms = spent.loc[stage, "to (ms)"] - served_ms
        axis.barh(stage, served_ms, left=left_ms, height=0.62, color="black")
    width_ms = 1e3 * (own["stop_s"] - own["start_s"])
    axis.barh("GPU", width_ms, left=since_arrival_ms(own["start_s"]), height=0.62, color="black")
    axis.invert_yaxis()
    axis.grid(visible=False)
    axis.set(title=f"task {traced['task']}, of type {traced['type']}, at {operator.name}")
    axis.annotate(
        "agreed latency", (1e3 * traced["agreed_latency_s"], 0), xytext=(6, 0),
        textcoords="offset points", va="center",
    )  # fmt: skip


pieces = pieces_of_service()
with style():
    figure = Figure(figsize=(10, 6.4), layout="constrained")
    life, gpus = figure.subplots(2, 1, sharex=True, height_ratios=[1, 2.6])
    draw_life(life, pieces[pieces["task"] == traced["task"]])
    draw_gpus(gpus, pieces)
    for axis in (life, gpus):
        axis.axvline(1e3 * traced["agreed_latency_s"], color="black", linestyle="--", linewidth=1.2)
    waiting = Patch(facecolor="white", edgecolor="0.3", hatch="////", label="this task, waiting")
    seen = [kind for kind in LOOKS if (kind_of(pieces) == kind).any()]
    labels = [Patch(**LOOKS[kind], label=kind) for kind in seen]
    figure.legend(handles=[waiting, *labels], loc="outside lower center", ncols=3)
figure

# %%
came_later = here["uplink_end_s"].to_numpy() > traced["uplink_end_s"]
before = served & ~at_work[:, np.newaxis]  # in service while our task waited
blocking = pd.DataFrame(
    {
        "type": here["type"].to_numpy(),
        "went first": before.any(axis=0),
        "though they came later": before.any(axis=0) & came_later,
        "server time taken (ms)": 1e3 * (span_s @ before),
    }
)
waited_ms = 1e3 * span_s[~at_work].sum()
blocking.groupby("type").sum().round(1)

# %%
same_type = blocking[blocking["type"] == traced["type"]]
used_ms = blocking["server time taken (ms)"].sum()
assert np.isclose(used_ms, operator.gpu.servers * waited_ms), "a server was idle"
if at_work.all():
    say("It never waited for a GPU: the time at the GPUs is the work of the task itself.")
else:
    say(
        f"""While the task waited for a GPU, {waited_ms:.1f} ms in all,
{blocking["went first"].sum()} others were served; {blocking["though they came later"].sum()} of
them had come later, for more impatient types overtake. Of its own type
{same_type["though they came later"].sum()} overtook it: inside a type it is first come, first
served. They used {used_ms:.1f} ms of server time, and {operator.gpu.servers} servers ×
{waited_ms:.1f} ms = {operator.gpu.servers * waited_ms:.1f} ms: no server was idle meanwhile."""
    )

# %% [markdown]
# And who interrupted it? When a task loses its server, one of a more impatient type has come at
# that very instant.

# %%
arrivals = here.set_index("uplink_end_s")
interruptions = pd.DataFrame(
    [
        {
            "at (ms)": since_arrival_ms(times_s[k]),
            "by task": arrivals.loc[times_s[k], "task"],
            "of type": arrivals.loc[times_s[k], "type"],
            "that needed (ms)": 1e3 * arrivals.loc[times_s[k], "gpu_service_s"],
            "served until then (ms)": 1e3 * span_s[:k][at_work[:k]].sum(),
            "then waited (ms)": 1e3 * span_s[k : k + np.argmax(at_work[k:])].sum(),
        }
        for k in interrupted
    ]
)
interruptions.round(2) if len(interrupted) else say("Nobody interrupted it.")

# %% [markdown]
# The same servers, a few milliseconds around the interruption that cost the most, or around the
# task's start where there was none. The number in a bar is the type served; a triangle stands where
# our task lost its server.

# %%
AROUND_MS, NARROWEST_MS = 12.0, 0.35  # half the window; bars below that have no room for a number
centre_ms = since_arrival_ms(times_s[np.argmax(at_work)])
if len(interrupted):
    centre_ms = interruptions.loc[interruptions["then waited (ms)"].idxmax(), "at (ms)"]
window_ms = np.array([centre_ms - AROUND_MS, centre_ms + AROUND_MS])
with style():
    figure = Figure(figsize=(10, 5), layout="constrained")
    axis = figure.subplots()
    draw_gpus(axis, pieces)
    left_ms = since_arrival_ms(pieces["start_s"]).clip(lower=window_ms[0])
    right_ms = since_arrival_ms(pieces["stop_s"]).clip(upper=window_ms[1])
    kinds = kind_of(pieces)
    dark = np.isin(kinds, ["this task", "same type, was there"])
    plain = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}  # between the dots of a hatch
    for at in np.flatnonzero(right_ms - left_ms > NARROWEST_MS):
        axis.text(
            (left_ms.iloc[at] + right_ms.iloc[at]) / 2, pieces["row"].iloc[at],
            pieces["type"].iloc[at], color="white" if dark[at] else "black",
            ha="center", va="center", fontsize=8,
            bbox=plain if kinds[at] == "behind it in the order" else None,
        )  # fmt: skip
    lost = pieces[(pieces["task"] == traced["task"]) & (pieces["stop_s"] < traced["gpu_end_s"])]
    lost = lost[since_arrival_ms(lost["stop_s"]).between(*window_ms)]
    lost_ms = since_arrival_ms(lost["stop_s"])
    axis.plot(lost_ms, lost["row"] + 0.5, "kv", markersize=7, clip_on=False)
    axis.set_xlim(window_ms)
    figure.legend(handles=labels, loc="outside lower center", ncols=3)
figure

# %% [markdown]
# What did its user pay, and get back?

# %%
paid_usd, refund_usd = traced["price_usd"], traced["refund_usd"]
cost_usd = money.violation_cost_usd if traced["violated"] else 0.0
profit_usd = paid_usd - cost_usd - money.running_cost_usd
say(
    f"""User {traced["user"]} paid {paid_usd:.3e} USD for this task and got back
{refund_usd:.3e} USD, so that it paid {paid_usd - refund_usd:.3e} USD in the end. The operator
received the price, spent {money.running_cost_usd:.1e} USD on running the model and
{cost_usd:.1e} USD on the violation, of which the refund is a part, and is left with
{profit_usd:+.2e} USD."""
)

# %% [markdown]
# ## 7. The table is enough
#
# `tasks.parquet` holds what every task needed of every stage, so anybody can serve the same tasks
# again, with this engine or with another program, and should get the same times. A `Workload` is
# that part of the table; types, operators and users count from 0 in Python and from 1 in tables.

# %%
arrived = tasks.sort_values(["arrival_s", "task"])
workload = Workload(
    task=arrived["task"].to_numpy() - 1,
    arrival_s=arrived["arrival_s"].to_numpy(),
    type=arrived["type"].to_numpy() - 1,
    operator=arrived["operator"].to_numpy() - 1,
    user=arrived["user"].to_numpy() - 1,
    service_s=arrived[["uplink_service_s", "gpu_service_s", "downlink_service_s"]].to_numpy(),
)
servers = [[o.uplink.servers, o.gpu.servers, o.downlink.servers] for o in scenario.operators]
rounds_s = [scenario.simulation.horizon_s] * run.manifest.rounds
trace, state = simulate(workload, servers, until_s=sum(rounds_s, scenario.simulation.warmup_s))

# %%
again = pd.DataFrame(
    np.concatenate([trace.stage_end_s, state.stage_end_s]),
    columns=["uplink_end_s", "gpu_end_s", "downlink_end_s"],
    index=np.concatenate([trace.task, state.task]) + 1,
).sort_index()
recorded = tasks.set_index("task").sort_index()[list(again.columns)]
assert again.index.equals(recorded.index)
assert np.array_equal(again.to_numpy(), recorded.to_numpy(), equal_nan=True)
say(
    f"Served again in one go instead of round by round: {len(trace)} tasks ended and {len(state)} "
    f"were under way, as recorded, and all {recorded.notna().sum().sum()} end times of stages are "
    "equal to the last bit. The table is enough."
)

# %%
home.cleanup()
