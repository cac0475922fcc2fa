"""`python -m pcap_analyzer` is the command `pcap-analyzer`."""

from pcap_analyzer.cli.main import main

if __name__ == "__main__":
    main()
