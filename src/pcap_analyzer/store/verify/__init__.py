"""Checks of a database, each with what repairs what it finds."""
