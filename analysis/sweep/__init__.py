"""Sweeps: many markets as cells of a store, computed anywhere, read as one frame."""
