"""Wireshark display filters that show flows.

They name addresses and ports, not streams: the numbers of streams differ between versions of Wireshark, and with what
its dissectors make of a capture.
"""

from pcap_analyzer.analysis.columns import Ints, Rows
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.paths import TCP

PORTS_NAMED = 40  # longer lists make filters that nobody can read: the service as a whole instead


def protocol(flow: Rows) -> str:
    return "tcp" if flow["protocol"] == TCP else "udp"


def address_field(flow: Rows) -> str:
    return "ipv6.addr" if flow["ip_version"] == 6 else "ip.addr"


def service(context: Context, row: int) -> str:
    """Everything to and from the service of a flow."""
    flow = context.flows[row]
    port = f"{protocol(flow)}.port == {int(flow['server_port'])}"
    return f"{address_field(flow)} == {context.names.server_address(row)} && {port}"


def of_service(context: Context, rows: Ints) -> str:
    """These flows, which are of one service, by the ports of their clients."""
    ports = sorted(set(context.flows["client_port"][rows].tolist()))
    where = service(context, int(rows[0]))
    if len(ports) > PORTS_NAMED:
        return where
    return f"{where} && {_ports(protocol(context.flows[int(rows[0])]), ports)}"


def one_flow(context: Context, row: int) -> str:
    """A single flow."""
    flow = context.flows[row]
    client = f"{address_field(flow)} == {context.names.client_host(row)}"
    return f"{service(context, row)} && {client} && {_ports(protocol(flow), [int(flow['client_port'])])}"


def by_ports(context: Context, rows: Ints) -> str:
    """These flows of any services, and perhaps others that share a port with them."""
    flows = context.flows[rows]
    parts = []
    for name in ("tcp", "udp"):
        chosen = flows[(flows["protocol"] == TCP) == (name == "tcp")]
        if len(chosen):
            parts.append(_ports(name, sorted(set(chosen["client_port"].tolist()))))
    return " || ".join(parts)


def _ports(name: str, ports: list[int]) -> str:
    if len(ports) == 1:
        return f"{name}.port == {ports[0]}"
    return f"{name}.port in {{{', '.join(map(str, ports))}}}"
