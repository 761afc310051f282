"""Operators and users who do not do what the paper has them do: small classes, by name."""
