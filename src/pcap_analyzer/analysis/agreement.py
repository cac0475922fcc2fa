"""Verdict and findings say the same of how grave it is: a reader who sees both must not have to choose."""

from collections.abc import Sequence
from dataclasses import replace

from pcap_analyzer.analysis.model import Finding, Verdict
from pcap_analyzer.analysis.verdict import Decision


def agree(decision: Decision, said: Verdict, findings: Sequence[Finding]) -> tuple[Verdict, tuple[Finding, ...]]:
    """The verdict no graver than the worst finding about the same thing.

    A failure is as grave as the verdict says, so the finding is raised; of waiting the finding knows better, because
    it leaves out what is too short to be noticed.
    """
    category = decision.code.category if decision.code is not None else None
    about = [one for one in findings if one.kind == said.cause.value or (category and one.category is category)]
    worst = max(about, key=lambda one: one.severity.rank, default=None)
    if worst is None or said.severity.rank <= worst.severity.rank:
        return said, tuple(findings)
    if decision.failed is None:
        return replace(said, severity=worst.severity), tuple(findings)
    raised = next((one for one in about if one.kind == said.cause.value), worst)
    return said, tuple(replace(one, severity=said.severity) if one is raised else one for one in findings)
