"""Takes over SQLite files that an earlier release made without Alembic; `adopting.py` tells the story."""
