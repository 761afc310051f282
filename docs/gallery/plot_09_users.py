"""
More users, same operators
==========================

Welfare and profit over the number of users; shares drawn are fixed.
"""

import matplotlib.pyplot as plt

from airan_market import load_scenario, solve

users = range(30, 241, 30)
found = [solve(load_scenario("teleoperation", [f"users.total={n}"])) for n in users]
plt.plot(users, [f.operator_utility_usd_per_s.sum() for f in found], "o-", label="operators")
plt.plot(users, [f.social_welfare_usd_per_s for f in found], "s--", label="everybody")
plt.gca().set(
    xlabel="users", ylabel="USD/s", title="Welfare grows evenly up to 150 users, and not beyond"
)
plt.legend()
