"""A capture to try the analyzer on, and the script that makes it."""
