"""`airan-market choose` and `airan-market search`: which setting is best, under noise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airan_market.analysis.cli import asking as ask
from airan_market.analysis.cli.sweep import interrupted_into
from airan_market.analysis.cli.telling import result
from airan_market.analysis.exits import say

Source = Annotated[
    str, typer.Argument(metavar="SWEEP", help="A TOML file, or the name of one that ships.")
]
By = Annotated[str, typer.Option("--by", metavar="MEASURE", help="Column of the answers.")]
Smallest = Annotated[bool, typer.Option("--smallest", help="Less is better.")]


def choose(
    sweep: Source,
    by: By,
    difference: Annotated[
        float, typer.Option("--difference", metavar="D", help="The least that is worth finding.")
    ],
    smallest: Smallest = False,
    confidence: Annotated[
        float, typer.Option("--confidence", metavar="P", help="Of choosing the best.")
    ] = 0.95,
    first: Annotated[int, ask.number("--first", "N", "Seeds for all.", most=10_000, least=2)] = 10,
    most: Annotated[int, ask.number("--most", "N", "Seeds, at most.", most=10_000, least=2)] = 1000,
    out: Annotated[Path | None, ask.out_option("What it already holds is not recomputed.")] = None,
    workers: ask.Workers = None,
    use: ask.Use = None,
    quiet: ask.Quiet = False,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Choose the best of the points and mechanisms of a sweep, with a stated confidence.

    The procedure of Kim and Nelson, on common seeds: after each seed candidates are dropped that
    have fallen too far behind. Their cells are kept as those of a sweep.
    """
    from airan_market.analysis.progress import Progress
    from airan_market.analysis.sweep.choosing import choose_into
    from airan_market.scenarios import InputError
    from airan_market.scenarios.sweep import load_sweep_file

    if not difference > 0 or not 0.5 < confidence < 1:
        raise InputError(
            f"--difference = {difference}, --confidence = {confidence}: allowed above 0, and "
            "between 0.5 and 1"
        )
    asked = load_sweep_file(sweep)
    place = out or Path("runs") / f"choice-{asked.name}"
    with Progress("seeds", quiet=quiet) as progress, interrupted_into(place):
        fields = choose_into(
            place, asked, by, difference, smallest=smallest, confidence=confidence, first=first,
            most=most, workers=workers,
            on_stage=lambda seeds, left: progress.step(f"{left} candidates", seeds, most),
        )  # fmt: skip
    best = ", ".join(f"{key} = {value}" for key, value in fields["best"].items())
    verdict = (
        f"Best by {by}: {best} (confidence {confidence:.0%}, if it is better by {difference:g})."
        if fields["decided"]
        else f"Undecided after {most} seeds; ahead by {by}: {best}."
    )
    for line in () if quiet else (verdict, *_lines(fields)):
        say(line)
    result(fields, str(place), as_json=as_json)


def _lines(fields: dict) -> list[str]:
    return [
        f"{', '.join(f'{k} = {v}' for k, v in one.items() if k not in ('mean', 'seeds'))}: mean "
        f"{one['mean']:.5g} of {one['seeds']} seeds"
        for one in fields["candidates"]
    ]


def search(
    sweep: Source,
    by: By,
    smallest: Smallest = False,
    trials: Annotated[
        int, ask.number("--trials", "N", "Points to try.", most=100_000, least=1)
    ] = 50,
    seed: ask.Seed = 1,
    out: Annotated[Path | None, ask.out_option("What it already holds is not recomputed.")] = None,
    workers: ask.Workers = None,
    use: ask.Use = None,
    quiet: ask.Quiet = False,
    as_json: ask.Json = False,
    debug: ask.Debug = False,
) -> None:
    """Search the box of a sweep for the settings with the best mean answer, with optuna.

    Needs optuna: pip install 'airan-market[study]'. The cells of all trials are kept.
    """
    from airan_market.analysis.progress import Progress
    from airan_market.analysis.sweep.searching import search_into
    from airan_market.scenarios.sweep import load_sweep_file

    asked = load_sweep_file(sweep)
    place = out or Path("runs") / f"search-{asked.name}"
    with Progress("trials", quiet=quiet) as progress, interrupted_into(place):
        fields = search_into(
            place, asked, by, smallest=smallest, trials=trials, seed=seed, workers=workers,
            on_trial=lambda done, of, best: progress.step(f"best {by} {best:.5g}", done, of),
        )  # fmt: skip
    best = ", ".join(f"{key} = {value:.6g}" for key, value in fields["best"].items())
    if not quiet:
        say(f"Best of {fields['trials']} trials: {by} {fields['value']:.6g} at {best}.")
    result(fields, str(place), as_json=as_json)
