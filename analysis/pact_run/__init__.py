"""A PACT run: its tables, summary, figures and report.

>>> from airan_market.analysis.store.columns import declared
>>> list(declared()["pact"])
['rounds', 'market', 'items', 'capacity', 'capacity_curve', 'tasks']
"""
