"""A PACT run: its tables, summary, figures and report.

>>> from airan_market.analysis.store.pact_tables import SCHEMAS
>>> list(SCHEMAS)
['rounds', 'market', 'items', 'capacity', 'capacity_curve', 'tasks']
"""
