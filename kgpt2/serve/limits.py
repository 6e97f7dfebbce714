"""How much one client, and all together, may ask for."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of a server.

    Attributes:
        rows: texts that grow at a time.
        waiting: texts that may wait for a place; more are answered with 503.
        texts: of one request: its prompts times `n`, or `best_of`.
        tokens: that a text may be continued by.
        body: bytes of a request's body.
        seconds: that a request may take, its reader's slowness included.
        body_seconds: that the body of a request may take to arrive.

    Example:
        >>> Limits(rows=16).rows
        16
    """

    rows: int = 64
    waiting: int = 256
    texts: int = 64
    tokens: int = 4096
    body: int = 1 << 20
    seconds: float = 300.0
    body_seconds: float = 30.0
