"""The two ways in which something is not done: it was refused, or nobody knows."""


class Refused(Exception):
    """Nothing was done; `detail` says why, in words for the one who can put it right."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail


class Unknown(Exception):
    """No answer came, or none that says: ask again with the same key, or for the thing by its id."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"it is not known whether this was done: {reason}")
        self.reason = reason
