"""Columns of tables as arrays: choosing, sorting and grouping them without a Python object a row."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pcap_analyzer.capture.tables import Table

Rows = npt.NDArray[np.void]
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

FAR = np.iinfo(np.int64).max  # later than anything: what "never" becomes where the earliest is sought


def gather(table: Table, names: Sequence[str]) -> Rows:
    """The named columns of all rows, packed: a table that lies on disk is read once, chunk by chunk."""
    dtype: np.dtype[np.void] = table.dtype
    packed = np.empty(len(table), np.dtype([(name, dtype[name]) for name in names]))
    done = 0
    for chunk in table:
        for name in names:
            packed[name][done : done + len(chunk)] = chunk[name]
        done += len(chunk)
    return packed


def integers(rows: Rows, name: str) -> Ints:
    """One column as int64: unsigned columns would turn differences into huge numbers."""
    column: Ints = rows[name].astype(np.int64)
    return column


def address_keys(addresses: Bytes) -> tuple[Ints, Ints]:
    """Addresses of shape (n, 16) as two int64 columns, to group by."""
    halves = np.ascontiguousarray(addresses).view(np.int64).reshape(-1, 2)
    return halves[:, 0], halves[:, 1]


def group(*columns: Ints) -> tuple[Ints, Ints]:
    """Rows that are equal in all columns: (row of the first of each group, group of each row); groups in row order."""
    count = len(columns[0])
    if count == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.lexsort(columns)
    changed = np.zeros(count, np.bool_)
    changed[0] = True
    for column in columns:
        ordered = column[order]
        changed[1:] |= ordered[1:] != ordered[:-1]
    first = order[changed]  # lexsort is stable: the first of each group has the smallest row
    renamed = np.empty(len(first), np.int64)
    renamed[np.argsort(first)] = np.arange(len(first))
    groups = np.empty(count, np.int64)
    groups[order] = renamed[np.cumsum(changed) - 1]
    return np.sort(first), groups


def rows_of(keys: Ints, flows: Ints) -> Ints:
    """Row of each key in the flow table, whose `flow` column is `flows`, in any order; -1 where there is none."""
    if len(flows) == 0:
        return np.full(len(keys), -1, np.int64)
    order = np.argsort(flows, kind="stable")
    at = np.minimum(np.searchsorted(flows[order], keys), len(flows) - 1)
    found: Ints = order[at]
    return np.where(flows[found] == keys, found, -1)


def wall_ns(start_ns: Ints, end_ns: Ints) -> int:
    """Length of the union of half-open intervals: time in which at least one of them lasts."""
    if len(start_ns) == 0:
        return 0
    order = np.argsort(start_ns, kind="stable")
    start, end = start_ns[order], np.maximum.accumulate(end_ns[order])
    covered_until = np.concatenate((start[:1], end[:-1]))
    return int(np.maximum(0, end - np.maximum(start, covered_until)).sum())


def add_up(groups: Ints, values: Ints, count: int) -> Ints:
    """Exact integer sums of `values` by group, shape (count,)."""
    sums = np.zeros(count, np.int64)
    np.add.at(sums, groups, values)
    return sums


def last_of_each(groups: Ints) -> Mask:
    """Whether each row is the last of its group, for groups that lie together."""
    last = np.ones(len(groups), np.bool_)
    last[:-1] = groups[1:] != groups[:-1]
    return last
