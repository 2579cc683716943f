"""Things that happened while data was prepared, which the caller prints: the data package itself prints nothing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataEvent:
    """One thing worth a printed line; `kind` is stable and can be tested, `message` is for people."""

    kind: str
    message: str
