from collections.abc import Callable
from pathlib import Path

import pytest

SMALL = """\
name = "small"

[users]
total = 10
latency_sensitivity_usd_per_s = [2e-4, 1e-4]
shares = [0.5, 0.5]
tasks_per_user_per_s = 2.0

[task]
input_bits = 1e5
work_flop = 1e10
output_bits = 2e5

[economics]
service_value_usd = 1e-3
refund_usd = 1e-4
violation_cost_usd = 1e-3
running_cost_usd = 0

[[operators]]
name = "a"
uplink = { servers = 2, rate_bps = 1e7 }
gpu = { servers = 3, rate_flop_per_s = 1e11 }
downlink = { servers = 4, rate_bps = 3e7 }

[[operators]]
name = "b"
uplink = { servers = 1, rate_bps = 1e7 }
gpu = { servers = 2, rate_flop_per_s = 2e11 }
downlink = { servers = 2, rate_bps = 3e7 }
"""


@pytest.fixture
def small_text() -> str:
    """The shortest kind of scenario file: two types, two operators, defaults everywhere else."""
    return SMALL


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write a text, or bytes, as m.toml in an empty working directory and return that name."""
    monkeypatch.chdir(tmp_path)

    def writer(text: str | bytes) -> str:
        content = text if isinstance(text, bytes) else text.encode()
        Path("m.toml").write_bytes(content)
        return "m.toml"

    return writer
