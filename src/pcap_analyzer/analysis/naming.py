"""Addresses and ports as people write them, and the names that the capture itself gives to them.

A service is a server's address and port. Its name is what most of its flows asked for (TLS server name, HTTP Host),
else what a DNS answer in this capture called the address, else the address. Names come from the wire: what is not
printable ASCII is escaped.
"""

import ipaddress

import numpy as np

from pcap_analyzer.analysis.columns import Bytes, Ints, Rows, address_keys, gather, group, integers
from pcap_analyzer.capture.tables import App, Table

NAME_LIMIT = 100_000  # addresses that are given a name from DNS answers: more would cost memory and help nobody


class Names:
    """Labels for rows of the flow table; built once a capture."""

    def __init__(self, flows: Rows, dns: Table) -> None:
        self._flows = flows
        self.service_of: Ints = group(*address_keys(flows["server_ip"]), integers(flows, "server_port"))[1]
        self._by_address = _answers(dns)
        self._by_service: dict[int, str | None] = {}

    def server(self, row: int) -> str:
        """ "shop.example:443", or "10.0.0.2:443" where no name is known."""
        return join(self.server_host(row), int(self._flows["server_port"][row]))

    def server_host(self, row: int) -> str:
        """The name of a flow's server, or its address."""
        asked = self._asked_for(int(self.service_of[row]))
        return asked or self.host(self._flows["server_ip"][row], int(self._flows["ip_version"][row]))

    def client(self, row: int) -> str:
        """ "10.0.0.1:40000": clients are known to their owners by address."""
        return join(self.client_host(row), int(self._flows["client_port"][row]))

    def client_host(self, row: int) -> str:
        return text(self._flows["client_ip"][row], int(self._flows["ip_version"][row]))

    def server_address(self, row: int) -> str:
        return text(self._flows["server_ip"][row], int(self._flows["ip_version"][row]))

    def host(self, address: Bytes, version: int) -> str:
        """The name that a DNS answer gave to an address, or the address."""
        return self._by_address.get(address.tobytes()) or text(address, version)

    def _asked_for(self, service: int) -> str | None:
        if service not in self._by_service:
            asked = self._flows["server_name"][self.service_of == service]
            asked = asked[asked != b""]
            values, counts = np.unique(asked, return_counts=True)
            self._by_service[service] = without_port(printable(values[np.argmax(counts)])) if len(values) else None
        return self._by_service[service]


def text(address: Bytes, version: int) -> str:
    """An address of sixteen bytes (IPv4 in the first four) in its usual notation."""
    raw = address.tobytes()
    return str(ipaddress.IPv6Address(raw) if version == 6 else ipaddress.IPv4Address(raw[:4]))


def join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def without_port(name: str) -> str:
    """The host of a Host header (RFC 9110, 7.2): "shop.example:8080" is "shop.example", "[::1]:80" is "::1"."""
    if name.startswith("["):
        return name[1:].partition("]")[0]
    host, colon, port = name.rpartition(":")
    return host if colon and port.isdecimal() and ":" not in host else name


def printable(name: bytes) -> str:
    """Bytes of the wire as text: anything but printable ASCII becomes an escape."""
    return "".join(chr(byte) if 0x21 <= byte < 0x7F else f"\\x{byte:02x}" for byte in bytes(name))


def _answers(dns: Table) -> dict[bytes, str]:
    """Address -> the name last asked for, from the answers of the capture."""
    found: dict[bytes, str] = {}
    rows = gather(dns, ("app", "rcode", "address_count", "name"))
    useful = np.flatnonzero((rows["rcode"] == 0) & (rows["address_count"] > 0) & (rows["app"] != App.MDNS))
    if len(useful) == 0:
        return found
    addresses = gather(dns, ("addresses",))["addresses"][useful]
    counts = rows["address_count"][useful]
    which, place = np.nonzero(np.arange(addresses.shape[1])[np.newaxis, :] < counts[:, np.newaxis])
    flat = np.ascontiguousarray(addresses[which, place])
    first, _ = group(*address_keys(flat))
    for index in first[:NAME_LIMIT]:
        found[flat[index].tobytes()] = printable(rows["name"][useful[which[index]]])
    return found
