"""Mechanism: bytes to columns. No thresholds, no wording."""
