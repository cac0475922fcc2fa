"""PCAP Analyzer: drop a packet capture, read why it is slow, with proof."""

__version__ = "0.1.0"
