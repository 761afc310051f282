"""The Parquet tables of a PACT run: columns and types, in the manner of `analysis.store.tables`."""

from __future__ import annotations

from airan_market.analysis.store.tables import schemas_of

_TOTALS = """
        requests:int64 ended:int64 satisfied:int64 liability_events:int64"""
_MONEY = """
        revenue_usd:double cost_usd:double liability_usd:double
        provider_utility_promised_usd:double provider_utility_realised_usd:double
        user_utility_promised_usd:double user_utility_realised_usd:double"""

#: Arrow schema of each table by name, in the order of the manifest.
SCHEMAS = schemas_of(
    {
        "rounds": f"""
        round:int32 market:int32 type:int32 theta_usd:double users:int32 service:int32? {_TOTALS}
        latency_promised_s:double? latency_measured_s:double?
        satisfaction_promised:double? satisfaction_measured:double?
        quality_promised:double? quality_shown:double? quality_measured:double?
        price_usd:double? {_MONEY}""",
        "market": f"""
        round:int32 users:int32 users_out:int32 {_TOTALS} {_MONEY}
        social_welfare_promised_usd:double social_welfare_realised_usd:double""",
        "items": """
        round:int32 service:int32 requests:int64 ended:int64
        latency_promised_s:double latency_measured_s:double?
        quality_promised:double quality_shown:double? quality_measured:double? price_usd:double?
        transmission_load:double tokenisation_load:double inference_load:double
        transmission_utilisation:double? tokenisation_utilisation:double?
        inference_utilisation:double? transmission_waiting_requests:double
        tokenisation_waiting_requests:double inference_waiting_requests:double""",
        "capacity": """
        service:int32 share:double quality_promised:double tolerance:double
        users:int64? users_low:int64? users_high:int64? users_theory:int64?
        users_saturation:double?""",
        "capacity_curve": """
        service:int32 users:int64 quality_promised:double quality_measured:double
        quality_low:double quality_high:double quality_theory:double?""",
        "tasks": """
        task:int64 round:int32 market:int32 type:int32 user:int32 service:int32 arrival_s:double
        transmission_service_s:double tokenisation_service_s:double inference_service_s:double
        transmission_end_s:double tokenisation_end_s:double inference_end_s:double
        latency_s:double satisfied:bool
        price_usd:double? cost_usd:double? liability_usd:double?""",
    }
)
