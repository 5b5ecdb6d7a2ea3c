"""Talk that needs no tool."""

from __future__ import annotations

__all__ = ["asks_what_can_be_done", "calls_off", "forbids", "small_talk"]

import re

from agentfield.simulator.mind.english import FILLERS
from agentfield.simulator.mind.words import Utterance

_CALLS_OFF = re.compile(
    r"(?:(?:no|oh|okay|ok|actually|please|sorry|wait|hm|um|uh) )*"
    r"(?:never ?mind|forget (?:it|that|about it|about that)|leave it|leave that|stop|stop it"
    r"|cancel|cancel that|cancel it|nothing|no thanks?|no thank you)(?: please| thanks| thank you)*"
)
_FORBIDS = re.compile(r"(?:please )?(?:do not|don't|never) (?!forget|mind|i\b|we\b|you\b)")
_ASKS = re.compile(
    r"(?:.* )?(?:what (?:else )?can (?:you|i) (?:do|say|ask)|who are you|what are you)"
    r"(?: (?:for|with) (?:me|us|you))?(?: here)?|(?:please )?help(?: me)?(?: please)?"
)
_SAID = (
    (re.compile(r"\b(?:good ?bye|bye|see you|farewell|good night)\b"), "Goodbye."),
    (re.compile(r"\b(?:thank you|thanks|thank)\b"), "You are welcome."),
    (re.compile(r"\bhow are you\b|\bhow do you do\b"), "I am well. What can I do for you?"),
    (
        re.compile(r"\b(?:hello|hi|hey|good (?:morning|afternoon|evening|day)|greetings)\b"),
        "Hello. What can I do for you?",
    ),
    (
        re.compile(
            r"\b(?:yes|yeah|no|nope|okay|ok|all right|alright|right|good|great|fine|sure|perfect)\b"
        ),
        "All right.",
    ),
)
_POLITE = re.compile(
    r"\b(?:good ?bye|bye|see you|farewell|good night|thank you|thanks|thank|very much|so much|a lot"
    r"|how are you|how do you do|hello|hi|hey|there|good (?:morning|afternoon|evening|day)|today"
    r"|greetings|yes|yeah|nope|no|okay|ok|all right|alright|right|good|great|fine|sure|perfect|please"
    r"|well|then|and|for"
    rf"|everything|your help|sir|madam|doctor|everybody|everyone|{'|'.join(sorted(FILLERS))})\b"
)


def small_talk(utterance: Utterance) -> str:
    """Return a short answer to what is politeness and nothing else; "" if it is more."""
    plain = utterance.plain
    if not plain or _POLITE.sub("", plain).strip():
        return ""
    return next((answer for pattern, answer in _SAID if pattern.search(plain)), "")


def asks_what_can_be_done(utterance: Utterance) -> bool:
    """Return whether the caller wants to know what there is."""
    return _ASKS.fullmatch(utterance.plain) is not None


def calls_off(utterance: Utterance) -> bool:
    """Return whether the caller does not want it any more."""
    return _CALLS_OFF.fullmatch(utterance.plain) is not None


def forbids(utterance: Utterance) -> bool:
    """Return whether the caller says what not to do."""
    return _FORBIDS.match(utterance.plain) is not None
