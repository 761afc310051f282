"""Equilibria of a market beside what was published and what a planner would do, in cells."""
