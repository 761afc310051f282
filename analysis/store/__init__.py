"""Directories: written whole or not at all, known by a manifest, read back and checked."""
