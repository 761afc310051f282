"""Which tables a run directory holds: those of the kind of market that was played."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from airan_market.analysis.store import pact_tables, tables

#: Kind of market → name of a table, in the order of the manifest → its Arrow schema. All but
#: `tasks`, which is written on the way, are written when all rounds are played.
LAYOUTS: Mapping[str, Mapping[str, pa.Schema]] = {
    "market": tables.SCHEMAS,
    "pact": pact_tables.SCHEMAS,
}
