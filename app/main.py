"""`python -m uvicorn app.main:app` from the checkout serves what `pcap-analyzer serve` does."""

from pcap_analyzer.web.app import application

app = application()
