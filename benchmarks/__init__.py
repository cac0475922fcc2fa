"""What an analysis costs, beside cat, tcptrace and tshark: `python -m benchmarks`."""
