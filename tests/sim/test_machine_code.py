"""Machine code of an older source, or none, means that the next use compiles."""

import hashlib
import os
from pathlib import Path

import pytest

from airan_market.sim.engines import kernel
from airan_market.sim.machine_code import is_compiled


def test_machine_code_counts_while_it_is_not_older_than_its_source(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert not is_compiled("airan_market.sim.engines.kernel")
    folder = tmp_path / "sim_0123"
    folder.mkdir()
    index = folder / "kernel.play_tandem-1.py311.nbi"
    index.touch()
    assert is_compiled("airan_market.sim.engines.kernel")
    assert not is_compiled("airan_market.sim.engines.station")
    os.utime(index, (0, 0))
    assert not is_compiled("airan_market.sim.engines.kernel")
    index.write_bytes(b"0.68" + hashlib.sha256(Path(kernel.__file__).read_bytes()).digest() + b".")
    os.utime(index, (0, 0))
    assert is_compiled("airan_market.sim.engines.kernel")


def test_a_module_that_is_not_there():
    with pytest.raises(ModuleNotFoundError, match=r"sim\.nothing"):
        is_compiled("airan_market.sim.nothing")
