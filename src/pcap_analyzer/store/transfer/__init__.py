"""Copies rows from one database into another and compares them; see `job.py` for the whole of it."""
