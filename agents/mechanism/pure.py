"""Pure matchings: every type takes one operator, or none, by a rule that leaves nothing to chance.

Users compare operators by the utility of their own item. Where utilities are equal up to rounding
a user stays where it is; from outside it takes an operator rather than none, the one with the
larger effective capacity, then the one with the lower number, or with `mechanism.ties` = "number"
that at once. (Ties are common: the prices (25) leave type 1 the utility 0 at every operator.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from airan_market.agents.belief.belief import operator_belief
from airan_market.agents.contract.menu import Menu
from airan_market.agents.contract.utility import task_utility, tie_usd, user_utility
from airan_market.agents.matching.assignment import OUT
from airan_market.agents.matching.load import cumulative_load
from airan_market.agents.matching.quality import over_qualities
from airan_market.agents.mechanism.agreement import Agreement
from airan_market.agents.primitives.primitives import Primitives
from airan_market.sim.arrays import FloatArray, IntArray

MOST_SWEEPS = 1000  # after which users that neither settle nor repeat themselves are left alone


@dataclass(frozen=True, eq=False)
class Selection:
    """Where users went when they reselected.

    Attributes
    ----------
    matching : array (N,) of int
        Operator of each type, `OUT` for none; (X, N) where users value quality differently.
    sweeps : int
        Passes over all types, the last one without a move when users came to rest.
    cycle : int
        Length, in sweeps, of the cycle they ended in; 0 when they came to rest.
    settled : bool
    """

    matching: IntArray
    sweeps: int
    cycle: int
    settled: bool


def indicator(matching: IntArray, operators: int) -> FloatArray:
    """Matching (..., N) as probabilities 0 and 1, (..., M, N).

    Examples
    --------
    >>> indicator(np.array([1, -1]), 2).tolist()
    [[0.0, 0.0], [1.0, 0.0]]
    """
    return (matching[..., np.newaxis, :] == np.arange(operators)[:, np.newaxis]).astype(float)


def parts(primitives: Primitives, matching: IntArray) -> FloatArray:
    """Part of the users of each type at every operator, (..., M, N), of a matching.

    Parameters
    ----------
    primitives : Primitives
        Of all operators.
    matching : array (..., N) of int
        Operator of each type; (..., X, N), of each class, where users value quality differently.
        It may end before the last type.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> two = ["users.quality_sensitivity_usd=[4e-4, 6e-4]", "users.quality_shares=[[0.5, 0.5]]"]
    >>> market = Primitives.from_scenario(load_scenario("teleoperation", two))
    >>> parts(market, np.array([[0], [2]])).round(2).tolist()  # 9 of 17 users, and 8
    [[0.53], [0.0], [0.47]]
    """
    if primitives.quality_share is None:
        return indicator(matching, primitives.operators)
    share = primitives.quality_share[:, : matching.shape[-1]]
    return over_qualities(classes(matching, primitives.operators), share)


def classes(matching: IntArray, operators: int) -> FloatArray:
    """Matching (..., X, N) of classes as probabilities 0 and 1, (..., M, X, N)."""
    return np.moveaxis(indicator(matching, operators), -2, -3)


def nobody(primitives: Primitives) -> IntArray:
    """Matching in which everybody is out, (N,), or (X, N) of classes."""
    share = primitives.quality_share
    return np.full(primitives.types if share is None else share.shape, OUT)


def in_turn(primitives: Primitives) -> Iterator[tuple[int, tuple[int, ...], FloatArray]]:
    """Who chooses after whom: type after type, and the quality types of each.

    Yields
    ------
    The latency type, the place in a matching, and what a task gains there at each operator, (M,).
    """
    gain = primitives.quality_gain_usd.T
    for n in range(primitives.types):
        for x in range(primitives.qualities):
            yield n, (n,) if primitives.quality_share is None else (x, n), gain[x]


def quality_parts(primitives: Primitives, matching: IntArray) -> FloatArray | None:
    """Matching of classes (X, N) as an `Agreement` says it, (M, X, N); None without qualities."""
    if primitives.quality_share is None:
        return None
    return classes(matching, primitives.operators)


def tie_order(primitives: Primitives) -> IntArray:
    """Operators in the order in which ties are decided: by falling capacity, or by number."""
    if primitives.mechanism.ties == "number":
        return np.arange(primitives.operators)
    return np.argsort(-primitives.effective_capacity_per_s, kind="stable")


def choose(
    utility_usd: FloatArray,
    opt_out_utility_usd: float,
    order: IntArray,
    tie_usd: float,
    current: IntArray | None = None,
) -> IntArray:
    """Best operator of one or many users, ties as the module says.

    Parameters
    ----------
    utility_usd : array (..., M)
    opt_out_utility_usd : float
        u_0.
    order : array (M,) of int
        Operators in the order in which a tie is decided.
    tie_usd : float
        Utilities this close to the best are tied.
    current : array (...) of int, optional
        Where the users are; by default out.

    Returns
    -------
    array (...) of int

    Examples
    --------
    >>> utility = np.array([[0.0, 0.0], [1.0, 2.0], [-1.0, -2.0]])
    >>> choose(utility, 0.0, np.array([1, 0]), 1e-12).tolist()
    [1, 1, -1]
    >>> int(choose(utility[0], 0.0, np.array([1, 0]), 1e-12, current=np.array(0)))
    0
    """
    out = np.full((*utility_usd.shape[:-1], 1), opt_out_utility_usd)
    options = np.concatenate([utility_usd[..., order], out], axis=-1)
    tied = options >= options.max(axis=-1, keepdims=True) - tie_usd
    choice = np.append(order, OUT)[tied.argmax(axis=-1)]
    if current is None:
        return choice
    places = np.append(np.argsort(order), order.size)  # of every operator, of OUT last, at −1
    stays = np.take_along_axis(tied, places[current][..., np.newaxis], axis=-1)[..., 0]
    return np.where(stays & (current != OUT), current, choice)


def type_utility(primitives: Primitives, menu: Menu, matching: IntArray, type_: int) -> FloatArray:
    """Utility of a type at every operator, (..., M), at the load that a matching (..., N) brings.

    Latencies and prices are as posted, the violation probability follows the load, eq. (27). The
    matching is as for `parts`; the utility is that of the lowest quality type served.
    """
    felt = parts(primitives, matching[..., : type_ + 1])
    load = (felt * primitives.demand_per_s[: type_ + 1]).cumsum(axis=-1)
    latency = menu.latency_s[..., type_]
    # a belief may depend on the load of the types above as well, never on more
    belief = operator_belief(primitives, load[..., -2:])
    return task_utility(
        primitives.service_value_usd,
        primitives.latency_sensitivity_usd_per_s[type_],
        latency,
        menu.price_usd[..., type_],
        belief.probability(latency[..., np.newaxis])[..., -1],
        primitives.refund_usd,
    )


def reselect(primitives: Primitives, menu: Menu) -> Selection:
    """Best responses to posted menus, type by type from everyone out, until nobody moves.

    Each type in turn takes its best operator at the load of the matching as it stands, its own
    load included where it is and not counted where it is not, which is how Definition 1 compares:
    a matching without a move is a selection equilibrium (28). As a type feels only types up to
    its own, one sweep is enough unless its own load makes a type regret its choice; then it may
    go round in a cycle, which is found by the first matching that repeats. More load means more
    refund, which keeps users where they are; but the Chernoff expression at a fixed ζ falls with
    the load where latencies are short and operators nearly empty, so cycles do occur: a small type
    is better off at any operator but its own.

    Parameters
    ----------
    primitives : Primitives
    menu : Menu
        Arrays (M, N).

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> from airan_market.agents.contract.design import designed_menus
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> menu = designed_menus(market, np.full((3, 8), 1 / 3))
    >>> found = reselect(market, menu)
    >>> found.settled, int(found.matching[0])
    (True, 0)
    """
    matching = nobody(primitives)
    order = tie_order(primitives)
    seen = {matching.tobytes(): 0}
    for sweep in range(1, MOST_SWEEPS + 1):
        for n, place, gain_usd in in_turn(primitives):
            utility = type_utility(primitives, menu, matching, n) + gain_usd
            tie = tie_usd(primitives, utility)
            out = primitives.opt_out_utility_usd
            matching[place] = choose(utility, out, order, tie, matching[place])
        before = seen.setdefault(matching.tobytes(), sweep)
        if before < sweep:
            length = sweep - before
            return Selection(matching, sweep, 0 if length == 1 else length, length == 1)
    return Selection(matching, MOST_SWEEPS, 0, False)


def select(primitives: Primitives, menu: Menu, belief: str) -> Selection:
    """Operator that every type takes from posted menus, by what it believes of its promise.

    Latencies and prices are as posted, and with the belief "posted" so is the violation
    probability. Else it is that at a load: "empty", of nobody; "placed", of the types before it,
    which have chosen, without its own; "congested", of all types, which choose again until nobody
    moves (`reselect`).

    Parameters
    ----------
    primitives : Primitives
    menu : Menu
        Arrays (M, N).
    belief : str
        As `mechanism.ct_belief`.

    Examples
    --------
    >>> from airan_market.scenarios import load_scenario
    >>> from airan_market.agents.contract.design import designed_menus
    >>> market = Primitives.from_scenario(load_scenario("teleoperation"))
    >>> menu = designed_menus(market, np.full((3, 8), 1 / 3))
    >>> [select(market, menu, belief).matching.tolist() for belief in ("posted", "placed")]
    [[0, 0, 2, 2, 2, 2, 2, 2], [0, 0, 0, 0, 0, 0, 0, 0]]
    """
    if belief == "congested":
        return reselect(primitives, menu)
    matching, order = nobody(primitives), tie_order(primitives)
    empty, posted = matching.copy(), user_utility(primitives, menu)
    for n, place, gain_usd in in_turn(primitives):
        if belief == "posted":
            utility = posted[:, n] + gain_usd
        else:
            load_of = empty if belief == "empty" else matching
            utility = type_utility(primitives, menu, load_of, n) + gain_usd
        tie = tie_usd(primitives, posted if belief == "posted" else utility)
        matching[place] = choose(utility, primitives.opt_out_utility_usd, order, tie)
    return Selection(matching, 1, 0, True)


def at_induced_load(primitives: Primitives, menu: Menu, match_probability: FloatArray) -> Menu:
    """Menus as posted with the violation probabilities at the loads of a matching, (M, N)."""
    load = cumulative_load(match_probability, primitives.demand_per_s)
    belief = operator_belief(primitives, load)
    return replace(menu, violation_probability=belief.probability(menu.latency_s))


def in_force(primitives: Primitives, agreement: Agreement) -> Menu:
    """Menus of an agreement with the violation probabilities at the loads of its matching.

    Menus for users who choose by chance are designed at these loads and stay as they are.
    """
    if agreement.temperature_usd is not None:
        return agreement.menu
    return at_induced_load(primitives, agreement.menu, agreement.match_probability)
