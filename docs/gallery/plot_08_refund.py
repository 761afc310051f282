"""
Who gains from a higher refund?
===============================

Welfare and profit over the refund, all else equal.
"""

import matplotlib.pyplot as plt
import numpy as np

from airan_market import load_scenario, solve

refunds = np.linspace(0.0, 1.1e-3, 9)
found = [solve(load_scenario("teleoperation", [f"economics.refund_usd={r}"])) for r in refunds]
profit = [f.operator_utility_usd_per_s.sum() for f in found]
plt.plot(1e3 * refunds, profit, "o-", label="operators")
plt.plot(1e3 * refunds, [f.social_welfare_usd_per_s for f in found], "s--", label="everybody")
plt.gca().set(
    xlabel="refund (mUSD a broken promise)",
    ylabel="USD/s",
    title="Prices take the refund back: nobody gains much",
)
plt.legend()
