"""The rules of exchanges: who may write to whom, as a table. A refused message is told which rule refuses it.

Domain file §2.7 (MSSanté citoyenne): a professional or an establishment begins; the patient replies, or writes anew to
a professional who wrote and has not ended the exchange, or to a pharmacy that dispensed to them within a year.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fhir_server.fhir.outcome import Issue
from fhir_server.space.messages.model import Side, side
from fhir_server.space.messages.situation import Situation

#: Bytes of all files of a message from the patient's side: 5 MB.
MOST_ATTACHED = 5 * 1024 * 1024
_BOTH: frozenset[Side] = frozenset({"patient", "professional"})
_PATIENT: frozenset[Side] = frozenset({"patient"})
_PROFESSIONAL: frozenset[Side] = frozenset({"professional"})


@dataclass(frozen=True, slots=True)
class ExchangeRule:
    """One rule.

    Attributes:
        code: as a refusal says it (`issue.details.coding.code`).
        element: of the Communication that is wrong.
        words: why.
        sides: whose messages it is asked of.
        breaks: whether a message breaks it.
        drafts: whether it is asked of what is kept and not sent, too.
        always: whether no message of any time breaks it, so that it is asked of an administrator's software too.
    """

    code: str
    element: str
    words: str
    sides: frozenset[Side]
    breaks: Callable[[Situation], bool]
    drafts: bool = False
    always: bool = False


def _others_sender(s: Situation) -> bool:
    return s.message.sender not in s.writer.names


def _astray(s: Situation) -> bool:
    """Whether it names messages that it cannot answer, or what is no message of this server as one."""
    return s.message.is_linked and not s.is_reply


def _starts(s: Situation) -> bool:
    """Whether the patient's side writes to somebody who did not write to them, or who ended it."""
    known = s.partners | s.open | s.dispensed
    return any(one not in known for one in s.message.recipients if side(one) == "professional")


def _patient_left_out(s: Situation) -> bool:
    return not any(side(one) == "patient" and one not in s.others for one in s.message.recipients)


#: In the order in which they are told. A message is refused by each that it breaks.
RULES: tuple[ExchangeRule, ...] = (
    ExchangeRule("message-sender", "sender", "The sender is who writes, or whom they act for.",
                 _BOTH, _others_sender, drafts=True),
    ExchangeRule("message-patient", "recipient", "The patient of an exchange is one, and no other patient takes part.",
                 _BOTH, lambda s: bool(s.others), drafts=True, always=True),
    ExchangeRule("message-to-patient", "recipient", "A professional's message is to the patient.",
                 _PROFESSIONAL, _patient_left_out, always=True),
    ExchangeRule("message-to-professional", "recipient", "A patient's message is to professionals alone.",
                 _PATIENT, lambda s: any(side(one) == "patient" for one in s.message.recipients), always=True),
    ExchangeRule("message-recipient", "recipient", "A recipient is not here, or is no longer active.",
                 _BOTH, lambda s: bool(s.unknown - s.others)),
    ExchangeRule("message-thread", "inResponseTo", "There is no such message to answer in this exchange.",
                 _BOTH, _astray, drafts=True),
    ExchangeRule("message-ended", "inResponseTo", "The professional has ended this exchange: nobody writes in it.",
                 _BOTH, lambda s: s.ended),
    ExchangeRule("message-start", "recipient", "A patient answers, or writes to a professional who wrote to them and "
                 "has not ended the exchange, or to a pharmacy that dispensed to them within a year.",
                 _PATIENT, _starts),
    ExchangeRule("message-closed-account", "subject", "The patient's health space is closed.",
                 _BOTH, lambda s: s.closed),
    ExchangeRule("message-blocked", "recipient", "The patient has blocked a professional of this exchange.",
                 _BOTH, lambda s: bool(s.blocked)),
    ExchangeRule("message-attachments", "payload", "The files of a patient's message have 5 MB together at most.",
                 _PATIENT, lambda s: s.attached > MOST_ATTACHED, drafts=True),
)  # fmt: skip


def broken(situation: Situation) -> Iterator[Issue]:
    """What a message breaks, as issues of an OperationOutcome; a draft is asked less."""
    return _broken(situation, RULES)


def impossible(situation: Situation) -> Iterator[Issue]:
    """What a message breaks that no message of any time did."""
    return _broken(situation, tuple(rule for rule in RULES if rule.always))


def _broken(situation: Situation, rules: tuple[ExchangeRule, ...]) -> Iterator[Issue]:
    for rule in rules:
        asked = situation.message.is_sent or rule.drafts
        if asked and situation.writer.side in rule.sides and rule.breaks(situation):
            where = f"Communication.{rule.element}"
            yield Issue("error", "business-rule", rule.words, where, rule.code)
