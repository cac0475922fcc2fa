"""Rows as the kernel writes them and as Python reads them are the same bytes."""

import re
from pathlib import Path

import numpy as np
import pytest

from pcap_analyzer.capture import faults
from pcap_analyzer.capture.kernel import Kernel, row_sizes
from pcap_analyzer.capture.spool import Spool
from pcap_analyzer.capture.tables import TABLES, App, EventKind, PacketKind, Role, Table

KERNEL = Path(faults.__file__).parent / "kernel"
DTYPE = np.dtype([("key", "<u8"), ("value", "<i4")])


def struct_fields(name: str) -> list[tuple[str, int]]:
    """Names and array lengths of a packed struct in rows.pxd."""
    body = (KERNEL / "rows.pxd").read_text().split(f"cdef packed struct {name}:\n")[1].split("\n\n")[0]
    found = re.findall(r"^    \w+ (\w+)(?:\[(\d+)\])?$", body, re.MULTILINE)
    return [(field, int(length or 1)) for field, length in found]


@pytest.mark.parametrize(
    ("table", "struct"),
    [
        ("flows", "FlowRow"),
        ("exchanges", "ExchangeRow"),
        ("pauses", "PauseRow"),
        ("events", "EventRow"),
        ("dns", "DnsRow"),
        ("series", "SeriesRow"),
    ],
)
def test_columns_have_the_kernels_order_and_size(table: str, struct: str) -> None:
    dtype = TABLES[table]
    assert dtype.names == tuple(field for field, _ in struct_fields(struct))
    assert row_sizes()[table] == dtype.itemsize
    lengths = {name: length for name, length in struct_fields(struct) if length > 1}
    for name, length in lengths.items():
        column = dtype[name]
        assert length == (column.itemsize if column.kind == "S" else int(np.prod(column.shape)))


def codes(enum: str) -> list[str]:
    """Names of an enum in codes.pxd, in order."""
    body = (KERNEL / "codes.pxd").read_text().split(f"cdef enum {enum}:\n")[1].split("\n\n")[0]
    return re.findall(r"^    ([A-Z_0-9]+)", body, re.MULTILINE)


def test_codes_count_like_the_enums_of_the_contract() -> None:
    assert [name.removeprefix("APP_") for name in codes("AppCode")] == [app.name for app in App]
    assert [name.removeprefix("KIND_") for name in codes("Kind")] == [kind.name for kind in PacketKind]
    assert len(codes("EventCode")) == len(EventKind)
    assert [role.value for role in Role] == [0, 1, 2]


def test_every_code_of_the_kernel_has_its_words() -> None:
    kernel = Kernel(16, 1 << 20, 16, 16)
    assert len(kernel.skipped()) == len(faults.UNDECODED_KINDS)
    assert len(kernel.overflows()) == len(faults.OVERFLOW_KINDS)
    faulty = (KERNEL / "records.pxd").read_text().split("cdef enum Fault:\n")[1].split("\n\n")[0].splitlines()
    assert all(faults.damage_sentence(code, 7).endswith(".") for code in range(1, len(faulty)))


def rows(*keys: int) -> np.ndarray:
    return np.array([(key, -key) for key in keys], DTYPE)


@pytest.mark.parametrize("memory_bytes", [0, 1 << 20])
def test_a_spool_gives_its_chunks_back_from_memory_and_from_disk(memory_bytes: int) -> None:
    spool = Spool(DTYPE, 3, memory_bytes)
    for chunk in (rows(5, 6, 7), rows(1, 2, 3), rows(4)):
        spool.append(chunk)
    assert [chunk["key"].tolist() for chunk in spool] == [[5, 6, 7], [1, 2, 3], [4]]
    assert [chunk["key"].tolist() for chunk in spool] == [[5, 6, 7], [1, 2, 3], [4]]
    assert [chunk["key"].tolist() for chunk in spool[1:]] == [[1, 2, 3], [4]]
    assert (len(spool), spool.row_count) == (3, 7)


@pytest.mark.parametrize("memory_bytes", [0, 1 << 20])
def test_a_value_learnt_late_is_written_into_its_row(memory_bytes: int) -> None:
    spool = Spool(DTYPE, 2, memory_bytes)
    for chunk in (rows(1, 2), rows(3, 4)):
        spool.append(chunk)
    spool.patch(2, 8, (77).to_bytes(4, "little"))
    assert [chunk["value"].tolist() for chunk in spool] == [[-1, -2], [77, -4]]


@pytest.mark.parametrize("memory_bytes", [0, 1 << 20])
def test_a_spool_sorts_and_leaves_out(memory_bytes: int) -> None:
    spool = Spool(DTYPE, 2, memory_bytes)
    for chunk in (rows(5, 1), rows(4, 2), rows(3)):
        spool.append(chunk)
    assert [chunk["key"].tolist() for chunk in spool.sorted_by("key")] == [[1, 2], [3, 4], [5]]
    assert [chunk["key"].tolist() for chunk in spool.without("key", 4)] == [[5, 1], [2, 3]]


def test_a_table_counts_its_rows_and_joins_them() -> None:
    table = Table(DTYPE, [rows(1, 2), rows(3)])
    assert (len(table), table.rows()["key"].tolist()) == (3, [1, 2, 3])
    assert len(Table(DTYPE).rows()) == 0
