"""What a detector is given: the tables, the account of waiting made from them, and names for people."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pcap_analyzer.analysis.columns import Ints, Mask, Rows, gather, integers, rows_of
from pcap_analyzer.analysis.failures import Failures, find_failures
from pcap_analyzer.analysis.naming import Names
from pcap_analyzer.analysis.waiting import Account, account
from pcap_analyzer.capture.tables import Tables


@dataclass(frozen=True)
class Context:
    """Facts of one capture; derived columns are computed when first asked for and then kept."""

    tables: Tables
    account: Account
    names: Names

    @property
    def flows(self) -> Rows:
        return self.account.flows

    @property
    def start_ns(self) -> int:
        """First frame of the capture; times of findings are told from here."""
        return self.tables.capture.first_ns or 0

    @cached_property
    def events(self) -> Rows:
        """All events that belong to a flow, in order of frame."""
        rows = gather(self.tables.events, self.tables.events.dtype.names or ())
        return rows[rows_of(integers(rows, "flow"), integers(self.flows, "flow")) >= 0]

    @cached_property
    def event_row(self) -> Ints:
        """Row of the flow table of each of `events`."""
        return rows_of(integers(self.events, "flow"), integers(self.flows, "flow"))

    @cached_property
    def failures(self) -> Failures:
        return find_failures(self.tables, self.account)

    @cached_property
    def waited_s(self) -> float:
        """Wall clock in which at least one exchange, set-up or look-up waited."""
        return self.account.waited_wall_ns() / 1e9

    def events_of(self, rows: Ints, *kinds: int) -> Rows:
        """Events of the given kinds on the given flows."""
        chosen: Mask = _member(self.events["kind"].astype(int), kinds) & _member(self.event_row, rows)
        return self.events[chosen]


def _member(values: Ints, allowed: Ints | tuple[int, ...]) -> Mask:
    return np.isin(values, allowed)


def build(tables: Tables) -> Context:
    """The context of a capture: this is where the account is made."""
    made = account(tables)
    return Context(tables, made, Names(made.flows, tables.dns))
