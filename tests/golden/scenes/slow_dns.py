"""Lookups that are slow, tried again, refused or unanswered, and what only looks like failure."""

from pcap_analyzer.analysis.model import Category, Cause, Party
from tests.golden.cast import AT_CLIENT, pages, talk
from tests.golden.golden import Golden
from tests.golden.lookups import Lookup, lookups
from tests.golden.plan import MS

QUICK = [15 * MS, 18 * MS]
NAMES = ("shop.example", "api.shop.example", "cdn.example", "img.example", "stats.example", "pay.example")

_VISITS = tuple(talk(n, pages(QUICK), AT_CLIENT, at_s=at_s) for n, at_s in ((0, 1.52), (1, 12.2)))
_LATE_VISITS = tuple(talk(n, pages(QUICK), AT_CLIENT, at_s=at_s) for n, at_s in ((0, 60), (1, 62)))

GOLDENS = (
    Golden(
        "slow_dns",
        "fires-slow",
        "Six lookups take 1.5 s each; the connections after them are quick.",
        cause=Cause.DNS_SLOW,
        party=Party.RESOLVER,
        category=Category.DNS_LOOKUP,
        seconds=9.0,
        conversations=_VISITS,
        datagrams=lookups(*(Lookup(name, 4.0 * n, 1500 * MS) for n, name in enumerate(NAMES))),
    ),
    Golden(
        "slow_dns",
        "fires-retried",
        "Four lookups are answered only when they are asked again after 5 s; two at once.",
        cause=Cause.DNS_SLOW,
        party=Party.RESOLVER,
        category=Category.DNS_LOOKUP,
        seconds=4 * 5.008 + 2 * 0.008,
        conversations=_LATE_VISITS,
        datagrams=lookups(*(Lookup(name, 8.0 * n, tries=2 if n < 4 else 1) for n, name in enumerate(NAMES))),
    ),
    Golden(
        "slow_dns",
        "fires-servfail",
        "Five of six lookups end with SERVFAIL after 0.4 s.",
        cause=Cause.DNS_FAILURE,
        party=Party.RESOLVER,
        conversations=_LATE_VISITS,
        datagrams=lookups(
            *(Lookup(name, 2.0 * n, 400 * MS, rcode="SERVFAIL", answers=()) for n, name in enumerate(NAMES[1:])),
            Lookup(NAMES[0], 59.9),
        ),
    ),
    Golden(
        "slow_dns",
        "fires-unanswered",
        "Four names are asked three times each and never answered, one is answered.",
        cause=Cause.DNS_FAILURE,
        party=Party.RESOLVER,
        conversations=_LATE_VISITS,
        datagrams=lookups(
            *(Lookup(name, 13.0 * n, None, tries=3) for n, name in enumerate(NAMES[1:5])), Lookup(NAMES[0], 59.9)
        ),
    ),
    Golden(
        "slow_dns",
        "fires-names-that-do-not-exist",
        "Twelve names do not exist under any suffix.",
        cause=Cause.DNS_FAILURE,
        conversations=_LATE_VISITS,
        datagrams=lookups(
            *(Lookup(f"host{n}.corp.example", 0.9 * n, 20 * MS, rcode="NXDOMAIN", answers=()) for n in range(12)),
            Lookup(NAMES[0], 59.9),
        ),
    ),
    Golden(
        "slow_dns",
        "silent-fast",
        "Quick lookups: a search suffix ends in NXDOMAIN before the name is found, AAAA answers are empty.",
        cause=Cause.NONE,
        party=Party.NOBODY,
        conversations=_VISITS,
        datagrams=lookups(
            *(Lookup(f"{name}.office.example", 2.0 * n, rcode="NXDOMAIN", answers=()) for n, name in enumerate(NAMES)),
            *(Lookup(name, 2.0 * n + 0.01) for n, name in enumerate(NAMES)),
            *(Lookup(name, 2.0 * n + 0.02, kind="AAAA", answers=()) for n, name in enumerate(NAMES)),
        ),
    ),
)
