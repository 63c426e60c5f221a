"""Every exception Fiscus raises on purpose.

Data that people send (tables, YAML) is answered with findings (§3.9), never with one of these from the command line;
programs that call the library get exceptions:

    FiscusError
    ├── InvalidInput (also ValueError)     an argument cannot mean anything
    │   ├── InvalidMoney                   not an amount in this currency
    │   ├── InvalidRate                    a fraction per period out of its range
    │   ├── InvalidTree                    units do not form one rooted tree
    │   ├── InvalidPeriods                 period names or indices
    │   ├── InvalidCurve                   a response curve's family or parameters
    │   ├── InvalidProcess                 an uncertainty process's parameters
    │   ├── InvalidRule                    a rule that cannot be stated on this problem
    │   ├── InvalidAllocation              wrong shape, NaN or infinity
    │   ├── InvalidMatrix                  an authority matrix with gaps, overlaps or unknown names
    │   └── InvalidPlan                    tables with findings of severity error; carries them
    ├── RouteUnavailable                   the route cannot solve this problem; names the route that can
    ├── NoAllocation                       asked for the amounts of a result that has none
    ├── BrokenRun                          a saved run folder that cannot be read back
    ├── BrokenPolicy                       a saved policy that cannot be read back or played
    ├── ProviderAway                   an OpenID provider that cannot be reached
    ├── ProviderWrong                  an OpenID provider whose answer cannot be trusted or understood
    ├── BrokenLog                          an audit log that is not what was written
    ├── Refused                            a command that a rule of the workflow forbids; names the rule
    ├── Conflict                           somebody else was faster; look again and decide again
    └── Overdrawn                          an account would fall below nothing
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fiscus.core.findings import Finding


class FiscusError(Exception):
    """Base of everything Fiscus raises on purpose."""


class InvalidInput(FiscusError, ValueError):
    """An argument that cannot mean anything; the message says which, what was given and what is expected."""


class InvalidMoney(InvalidInput):
    """Not an amount in this currency."""


class InvalidRate(InvalidInput):
    """A rate per period, as a fraction, that is out of its range."""


class InvalidTree(InvalidInput):
    """Units that do not form one rooted tree."""


class InvalidPeriods(InvalidInput):
    """Period names or indices that do not exist or repeat."""


class InvalidCurve(InvalidInput):
    """A response curve's family or parameters."""


class InvalidProcess(InvalidInput):
    """An uncertainty process's parameters."""


class InvalidRule(InvalidInput):
    """A rule that cannot be stated on this problem."""


class InvalidAllocation(InvalidInput):
    """An allocation of the wrong shape, or with NaN or infinity in it."""


class InvalidMatrix(InvalidInput):
    """An authority matrix that does not say for every proposal who decides.

    Attributes:
        faults: Everything that is wrong, at once, each a sentence that names the place.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(" ".join(self.faults))


class InvalidPlan(InvalidInput):
    """Tables that do not make a problem.

    Attributes:
        findings: Everything that is wrong, at once, with table, row and column.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(str(finding) for finding in self.findings))


class RouteUnavailable(FiscusError):
    """The route asked for cannot solve this problem; the message names the route that can."""


class NoAllocation(FiscusError):
    """Amounts were asked of a result that has none; the message says why there are none."""


class BrokenRun(FiscusError):
    """A saved run folder that cannot be read back; the message names the file."""


class BrokenPolicy(FiscusError):
    """A saved policy that cannot be read back, or not for this problem; the message names the file."""


class ProviderAway(FiscusError):
    """An OpenID provider that cannot be reached now; the message names the address."""


class ProviderWrong(FiscusError):
    """An OpenID provider whose answer cannot be trusted or understood; the message says what is wrong with it."""


class BrokenLog(FiscusError):
    """An audit log or export that is not what was written; the message names the first place."""


class Refused(FiscusError):
    """A command that a rule of the workflow forbids.

    Attributes:
        rule: Name of the rule.
        reason: A sentence for the person.
    """

    def __init__(self, rule: str, reason: str) -> None:
        self.rule, self.reason = rule, reason
        super().__init__(reason)


class Conflict(FiscusError):
    """What was decided on has changed meanwhile: look again and decide again."""


class Overdrawn(FiscusError):
    """Money that is not there; the message names the account.

    Attributes:
        account: Which; None where a store cannot tell.
        missing: By how much it would have fallen below nothing, in minor units: a store knows no currency.
    """

    def __init__(self, sentence: str, account: Any = None, missing: int = 0) -> None:
        self.account, self.missing = account, missing
        super().__init__(sentence)
