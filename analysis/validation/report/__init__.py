"""A validation told and drawn."""
