"""Writing a directory so that it is never half-written under its final name.

It is written as the hidden sibling `.NAME.partial` and renamed to `NAME` when it has ended, both
locked (`analysis.store.lock`). What is decided where two things could be wanted:

- What is complete is replaced only with `force`, and only by what is itself complete.
- What is unfinished (interrupted or failed) takes the final name when that is free, or taken by the
  same scenario, seed and settings unfinished; otherwise it becomes `NAME.interrupted` or
  `NAME.failed`. The complete result of the same scenario, seed and settings replaces it unasked.
- What a killed or unfinished one of the same scenario, seed, settings and code has kept is taken
  over where it can be (a run, by its parts). Else what a killed process left is removed, and said,
  if it holds nothing of worth; what another scenario, seed or code left is moved aside.
- A directory of another kind, or none of ours, is never touched, with `force` or without, and
  nothing is written through a symbolic link.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from airan_market.analysis.store.durable import sync_directory, unfinished
from airan_market.analysis.store.lock import claim, locked, require_no_link
from airan_market.analysis.store.manifest import (
    FILE_NAME,
    KINDS,
    Manifest,
    RunError,
    begin,
    read_manifest,
    recorded,
    sealed,
)
from airan_market.scenarios import PactScenario, Scenario, scenario_hash


def default_directory(
    scenario: Scenario | PactScenario,
    seed: int | None = None,
    *,
    prefix: str = "",
    settings: Mapping[str, Any] | None = None,
) -> Path:
    """`runs/<prefix>-<scenario>-<seed>-<hash>`, what is not given left out.

    The hash, cut to ten digits, is that of the scenario, and of the settings where there are any.

    Examples
    --------
    >>> from airan_market.scenarios import load_pact
    >>> default_directory(load_pact("pact"), 3).name[:7]
    'pact-3-'
    """
    mark = scenario_hash(scenario)
    if settings:
        text = mark + json.dumps(settings, sort_keys=True, default=str)
        mark = hashlib.sha256(text.encode()).hexdigest()
    parts = (prefix, scenario.name, "" if seed is None else str(seed), mark[:10])
    return Path("runs") / "-".join(part for part in parts if part)


def manifest_there(directory: Path, kind: str) -> Manifest | None:
    """Manifest of the directory that is in the way, None if there is none or it is empty.

    Raises
    ------
    RunError
        When what is there is of another kind, or none of ours.
    """
    if not _occupied(directory):
        return None
    left_alone = "nothing there is replaced, name another --out"
    try:
        found = read_manifest(directory)
    except RunError as error:
        raise RunError(f"{error}; {left_alone}") from error
    if KINDS[found.kind] != KINDS[kind]:
        raise RunError(f"{directory}: holds a {KINDS[found.kind]}; {left_alone}")
    return found


@contextmanager
def amended(directory: Path) -> Iterator[None]:
    """Be the only one who adds to a directory that has ended; its manifest then records the files.

    Raises
    ------
    RunError
        When another process is writing it, or it is a symbolic link.
    """
    with locked(directory):
        yield
        recorded(directory, read_manifest(directory))


class DirectoryWriter:
    """One directory being written.

    Parameters
    ----------
    target : Path
        Final name of the directory.
    scenario : Scenario or PactScenario
    manifest : Manifest
        As it is begun.
    force : bool
        Whether something complete of this kind under that name may be replaced.

    Attributes
    ----------
    partial : Path
        Where files are written until `publish`.
    manifest : Manifest
    messages : list of str
        What was found and done about it, in sentences for the user.

    Raises
    ------
    RunError
        When the name is taken, or another process writes the same directory.
    """

    #: What an unfinished directory has that one like it can go on from; none unless said.
    _kept: str | None = None

    def __init__(
        self,
        target: Path,
        scenario: Scenario | PactScenario,
        manifest: Manifest,
        *,
        force: bool = False,
    ) -> None:
        self.target, self.manifest = Path(target), manifest
        if not self.target.name or self.target.name == "..":
            raise RunError(f"{target}: a directory needs a name of its own")
        require_no_link(self.target)
        self.partial = partial_name(self.target)
        self.messages: list[str] = []
        self._force = force
        self._clock_s = time.monotonic()
        self._check_target()
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        self._locks = [claim(self.partial, self.messages)]
        try:
            self._restore_replaced()
            if self.target.is_dir():
                self._locks.append(claim(self.target, []))
            self._clear_leftovers()
            self.manifest = begin(self.partial, scenario, manifest)
        except BaseException:
            self.release()
            raise

    def seal(self, status: str, tables: Iterable[str] | None = None, **changes: Any) -> Manifest:
        """Write the final manifest, with the hashes of the tables; files stay in `partial`.

        Parameters
        ----------
        status : str
            `complete`, `interrupted` or `failed`.
        tables, **changes
            As for `analysis.store.manifest.sealed`.
        """
        wall_s = round(time.monotonic() - self._clock_s, 3)
        self.manifest = sealed(
            self.partial, self.manifest, tables, status=status, wall_s=wall_s, **changes
        )
        return self.manifest

    def publish(self) -> Path:
        """Give the finished directory its final name and return that."""
        try:
            return self._publish()
        finally:
            self.release()

    def _publish(self) -> Path:
        if self.manifest.status == "complete":
            self._check_target()
            place = self.target
        else:
            place = self._unfinished_name()
        self.manifest = recorded(self.partial, self.manifest)
        sync_directory(self.partial)
        aside = _replaced_name(self.target)
        if place.exists():
            os.rename(place, aside)
        os.rename(self.partial, place)
        with suppress(OSError):  # it is there
            sync_directory(place.parent)
        shutil.rmtree(aside, ignore_errors=True)
        return place

    def discard(self) -> None:
        """Remove everything written; nothing is left under any name."""
        try:
            shutil.rmtree(self.partial)
        finally:
            self.release()

    def give_up(self) -> None:
        """Remove what was written and not published, if anything was."""
        if self.partial.is_dir():
            self.discard()
        self.release()

    def release(self) -> None:
        """Leave everything as it is, for whoever goes on."""
        while self._locks:
            os.close(self._locks.pop())

    def _goes_on_from(self, directory: Path) -> bool:
        """Whether what a directory has kept can be taken over; for those who keep something."""
        return False

    def _holds_work(self, directory: Path) -> bool:
        """Whether anything was finished there."""
        return False

    def _unfinished_name(self) -> Path:
        there = manifest_there(self.target, self.manifest.kind)
        if there is None:
            return self.target
        if there.status != "complete" and there.identity == self.manifest.identity:
            return self.target
        status = self.manifest.status
        place = self.target.with_name(f"{self.target.name}.{status}")
        there = manifest_there(place, self.manifest.kind)
        if there is not None and there.status != status:
            raise RunError(f"{place}: is in the way; what was finished is kept in {self.partial}")
        return place

    def _check_target(self) -> None:
        old = manifest_there(self.target, self.manifest.kind)
        if old is None or self._force:
            return
        kind = KINDS[self.manifest.kind]
        if old.status == "complete":
            what = f"a complete {kind}"
        elif old.identity != self.manifest.identity:
            what = f"the {old.status} {kind} of another scenario, seed or settings"
        else:
            return
        raise RunError(f"{self.target}: {what} is there; allowed with --force, or another --out")

    def _restore_replaced(self) -> None:
        """Undo or finish a replacement that a killed process left half done."""
        aside = _replaced_name(self.target)
        if not aside.exists():
            return
        if _occupied(self.target):
            shutil.rmtree(aside)
            return
        os.rename(aside, self.target)
        self.messages.append(f"{self.target} was being replaced by a killed process: put back")
        self._check_target()

    def _clear_leftovers(self) -> None:
        """See to what is in `partial`, and take over what an unfinished directory has kept."""
        leftovers = list(self.partial.iterdir())
        if leftovers:
            try:
                old = read_manifest(self.partial)
            except RunError:  # killed before it wrote its manifest
                old = self.manifest
            if old.identity == self.manifest.identity and self._goes_on_from(self.partial):
                _empty(self.partial, but=self._kept)
                return
            if self._holds_work(self.partial) or old.identity != self.manifest.identity:
                self._move_aside(leftovers, old)
            else:
                _empty(self.partial)
                kind = KINDS[self.manifest.kind]
                self.messages.append(
                    f"a killed process left this {kind} before anything was finished: it starts "
                    "afresh"
                )
        for status in ("", ".interrupted", ".failed"):
            place = self.target.with_name(self.target.name + status)
            if self._kept is not None and (place / self._kept).is_dir():
                there = manifest_there(place, self.manifest.kind)
                same = there is not None and there.identity == self.manifest.identity
                if same and self._goes_on_from(place):
                    os.rename(place / self._kept, self.partial / self._kept)
                    return

    def _move_aside(self, leftovers: Iterable[Path], old: Manifest) -> None:
        mark = f"{old.seed}-{old.scenario_hash[:10]}-{datetime.now():%Y%m%d%H%M%S}"
        aside = self.partial.with_name(f"{self.partial.name}-{mark}")
        aside.mkdir()
        for entry in leftovers:
            os.rename(entry, aside / entry.name)
        self.messages.append(
            f"a killed process left something else unfinished here: moved to {aside}"
        )


def partial_name(target: Path) -> Path:
    """Where a directory is written.

    Examples
    --------
    >>> str(partial_name(Path("runs/a")))
    'runs/.a.partial'
    """
    return target.with_name(f".{target.name}.partial")


def _empty(directory: Path, but: str | None = None) -> None:
    for entry in directory.iterdir():
        if entry.name != but:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _occupied(path: Path) -> bool:
    """Whether anything is there, but a manifest that a killed process did not write to its end."""
    if not path.is_dir():
        return path.exists()
    return any(entry.name != unfinished(FILE_NAME) for entry in path.iterdir())


def _replaced_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.replaced")
