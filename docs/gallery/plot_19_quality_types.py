"""
Does it pay to serve only users who value quality more?
=======================================================

Dear menus keep users of α₁ out: a monopolist gains by them, rivals only if all of them post such.
"""

import matplotlib.pyplot as plt
import numpy as np

from airan_market.analysis.questions import served_table

ratios, shares = [1.1, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0], [0.1, 0.3, 0.5, 0.7, 0.9]
found = served_table("teleoperation", ratios, shares)
alone = found["monopoly_some_usd_per_s"] > found["monopoly_all_usd_per_s"]
kept = found["equilibria"].str.contains("3")

figure, axes = plt.subplots(1, 2, figsize=(9, 4.6), sharey=True, layout="constrained")
for ax, yes, title, said in (
    (axes[0], alone, "One operator", "only α₂ served earns more"),
    (axes[1], kept, "Three rivals", "if all serve only α₂, none returns to serving all"),
):
    curve = np.linspace(1, 4.2, 100)
    ax.plot(curve, 1 / curve, "k--", lw=1, label="share × α₂ = α₁")
    ax.plot(found["ratio"][yes], found["share"][yes], "o", ms=11, label=said)
    ax.plot(found["ratio"][~yes], found["share"][~yes], "x", ms=7, color="0.5", label="not so")
    ax.set(title=title, xlabel="α₂ / α₁", xlim=(1, 4.2), ylim=(0, 1))
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=8, frameon=False)
axes[0].set_ylabel("share of users with α₂")
figure.suptitle("Leaving out users of α₁ pays a monopolist; no rival begins with it alone")
