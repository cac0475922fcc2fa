"""What the first bytes of a file say: which capture format, or what else it is."""

from dataclasses import dataclass
from typing import Literal

from pcap_analyzer.errors import NotACapture

GZIP = b"\x1f\x8b"
SECTION = b"\x0a\x0d\x0d\x0a"
PCAP_HEADER_BYTES = 24
#: Bytes that tell every format here apart.
ENOUGH_BYTES = 512

SNOOP = b"snoop\0\0\0"
SNOOP_HEADER_BYTES = 16

#: Magic number: big-endian, nanoseconds, patched record headers.
_PCAP_MAGIC = {
    b"\xa1\xb2\xc3\xd4": (True, False, False),
    b"\xd4\xc3\xb2\xa1": (False, False, False),
    b"\xa1\xb2\x3c\x4d": (True, True, False),
    b"\x4d\x3c\xb2\xa1": (False, True, False),
    b"\xa1\xb2\xcd\x34": (True, False, True),
    b"\x34\xcd\xb2\xa1": (False, False, True),
}

#: LINKTYPE by snoop's datalink type; others are told by a number out of LINKTYPE's range.
_SNOOP_LINKS = {0: 1, 4: 1, 8: 10}
_SNOOP_OTHER = 0x10000

_OTHERS = (
    (b"PK\x03\x04", "This is a ZIP archive: unzip it first."),
    (b"PK\x05\x06", "This is an empty ZIP archive."),
    (b"\x28\xb5\x2f\xfd", "This is compressed with zstd, which is not read yet: decompress it first."),
    (b"\xfd7zXZ\x00", "This is compressed with xz, which is not read yet: decompress it first."),
    (b"\x04\x22\x4d\x18", "This is compressed with lz4, which is not read yet: decompress it first."),
    (b"BZh", "This is compressed with bzip2, which is not read yet: decompress it first."),
    (b"7z\xbc\xaf\x27\x1c", "This is a 7-Zip archive: unpack it first."),
    (b"Rar!\x1a\x07", "This is a RAR archive: unpack it first."),
    (b"%PDF", "This is a PDF document, not a capture."),
    (b"\x89PNG\r\n\x1a\n", "This is a PNG image, not a capture."),
    (b"\xff\xd8\xff", "This is a JPEG image, not a capture."),
    (b"GIF8", "This is a GIF image, not a capture."),
    (b"\x7fELF", "This is a program (ELF), not a capture."),
    (b"MZ", "This is a Windows program, not a capture."),
    (b"RTSS", "This is a Network Monitor 1 capture, which is not read: convert it with `editcap -F pcap`."),
    (b"GMBU", "This is a Network Monitor 2 capture, which is not read: convert it with `editcap -F pcap`."),
    (b"XCP\x00", "This is a NetXRay or Sniffer capture, which is not read: convert it with `editcap -F pcap`."),
    (b"TRSNIFF data", "This is a Sniffer capture, which is not read: convert it with `editcap -F pcap`."),
    (b"<?xml", "This is XML text, not a capture."),
    (b"SQLite format 3\x00", "This is an SQLite database, not a capture."),
)


@dataclass(frozen=True)
class Pcap:
    """The file header of a pcap (draft-ietf-opsawg-pcap, section 4)."""

    big_endian: bool
    nanoseconds: bool
    patched: bool
    minor: int
    link_type: int
    snap_length: int


@dataclass(frozen=True)
class Snoop:
    """The file header of a snoop capture (RFC 1761), its link type as a LINKTYPE."""

    link_type: int


@dataclass(frozen=True)
class Pcapng:
    """A file that starts with a section header; its blocks say the rest."""


def recognise(first: bytes) -> Pcap | Pcapng | Snoop:
    """The format of a file by its first `ENOUGH_BYTES` bytes, decompressed.

    Raises NotACapture with a sentence that says what the file looks like.
    """
    if not first:
        raise NotACapture("The file is empty.")
    if first[:4] == SECTION:
        if len(first) >= 12 and first[8:12] not in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a"):
            raise NotACapture("This starts like a pcapng, but its byte-order mark is missing.")
        return Pcapng()
    if first[:8] == SNOOP:
        return _snoop(first)
    if first[:4] in _PCAP_MAGIC:
        return _pcap(first)
    raise NotACapture(_looks_like(first))


def _pcap(first: bytes) -> Pcap:
    big, nanoseconds, patched = _PCAP_MAGIC[first[:4]]
    if len(first) < PCAP_HEADER_BYTES:
        raise NotACapture(f"This pcap ends inside its file header, after {len(first)} bytes.")
    order: Literal["big", "little"] = "big" if big else "little"
    major = int.from_bytes(first[4:6], order)
    minor = int.from_bytes(first[6:8], order)
    if major != 2:
        raise NotACapture(f"This pcap is of version {major}.{minor}, which nobody has defined.")
    # The upper half holds the frame check sequence's length and flags; ten bits are reserved.
    link = int.from_bytes(first[20:24], order) & 0xFFFF
    return Pcap(big, nanoseconds, patched, minor, link, int.from_bytes(first[16:20], order))


def _snoop(first: bytes) -> Snoop:
    if len(first) < SNOOP_HEADER_BYTES:
        raise NotACapture(f"This snoop capture ends inside its file header, after {len(first)} bytes.")
    version = int.from_bytes(first[8:12], "big")
    if version != 2:
        raise NotACapture(f"This snoop capture is of version {version}; only version 2 is defined.")
    datalink = int.from_bytes(first[12:16], "big")
    return Snoop(_SNOOP_LINKS.get(datalink, _SNOOP_OTHER + datalink))


def _looks_like(first: bytes) -> str:
    for magic, sentence in _OTHERS:
        if first.startswith(magic):
            return sentence
    if not any(first):
        return "The file holds only zeros where a capture has its header."
    if _is_text(first):
        return "This looks like text, not like a capture."
    return f"These are not the first bytes of a capture: {first[:8].hex(' ')}."


def _is_text(first: bytes) -> bool:
    if first[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    try:
        text = first.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character may be cut by the end of the sample.
        if error.start < len(first) - 4:
            return False
        text = first[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\r\n\t\f\x1b" for character in text)


#: LINKTYPE names for the numbers that turn up in practice (tcpdump.org/linktypes.html).
_LINK_NAMES = {
    0: "NULL",
    1: "ETHERNET",
    6: "IEEE802_5",
    7: "ARCNET_BSD",
    8: "SLIP",
    9: "PPP",
    10: "FDDI",
    12: "RAW",
    14: "RAW",
    50: "PPP_HDLC",
    51: "PPP_ETHER",
    101: "RAW",
    104: "C_HDLC",
    105: "IEEE802_11",
    107: "FRELAY",
    108: "LOOP",
    113: "LINUX_SLL",
    117: "PFLOG",
    119: "IEEE802_11_PRISM",
    127: "IEEE802_11_RADIOTAP",
    147: "USER0",
    161: "USER14",
    187: "BLUETOOTH_HCI_H4",
    189: "USB_LINUX",
    192: "PPI",
    195: "IEEE802_15_4_WITHFCS",
    201: "BLUETOOTH_HCI_H4_WITH_PHDR",
    220: "USB_LINUX_MMAPPED",
    227: "CAN_SOCKETCAN",
    228: "IPV4",
    229: "IPV6",
    239: "NFLOG",
    249: "USBPCAP",
    252: "WIRESHARK_UPPER_PDU",
    272: "NORDIC_BLE",
    276: "LINUX_SLL2",
}


def link_name(link_type: int) -> str:
    """The LINKTYPE name, or the number where it has none here."""
    return _LINK_NAMES.get(link_type, str(link_type))
