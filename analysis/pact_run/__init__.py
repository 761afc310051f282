"""A PACT run: its tables, summary, figures and report.

>>> from analysis.pact_run.tables import SCHEMAS
>>> list(SCHEMAS)
['rounds', 'market', 'items', 'capacity', 'capacity_curve', 'tasks']
"""
