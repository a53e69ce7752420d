"""A limit on money that requests under way at once cannot pass together."""

import asyncio

from engine.errors import LabelError
from engine.labels.prices import dollars


class OverLimit(Exception):
    """The limit would be passed, and no true cost that is still to come can leave room; or it cannot be kept."""


class Budget:
    """US dollars that may be spent (None: no limit), of which some have been. For the tasks of one event loop.

    Where there is a limit, requests go one after the other until `proved` says that the server keeps to what one may
    take: several at once to a server that does not would all be paid for before the first of them shows it.
    """

    def __init__(self, limit: float | None = None, spent: float = 0.0) -> None:
        if limit is not None and not 0 <= limit < float("inf"):
            raise LabelError(f"The limit of cost must be an amount of US dollars, not {limit:g}.")
        self.limit = limit
        self.spent = spent
        self._held: dict[object, float] = {}
        self._freed = asyncio.Event()
        self._proved, self._broken = False, ""
        self._shut = ""

    def next(self) -> "Budget":
        """What is left of it, for another event loop."""
        left = Budget(self.limit, self.spent)
        left._proved, left._broken = self._proved, self._broken
        return left

    async def hold(self, most: float | None) -> object:
        """Set `most` aside for a request, as soon as there is room for it; returns what `settle` takes.

        Raises `OverLimit` if it does not fit beside what was spent and nothing is under way, or if the server has
        broken what the limit rests on; from then on for all, in the same words.
        """
        while self.limit is not None and not self._fits(most or 0.0):
            if self._broken or self._shut or not self._held:
                self._shut = self._broken or self._shut or self._over(most or 0.0)
                raise OverLimit(self._shut)
            self._freed.clear()
            await self._freed.wait()
        ticket = object()
        self._held[ticket] = most or 0.0
        return ticket

    def proved(self) -> None:
        """A reply has shown that the server keeps to the most that a request may take."""
        self._proved = True
        self._freed.set()

    def broken(self, why: str) -> None:
        """A reply has shown that it does not, so that nothing more may be sent."""
        if self.limit is not None:
            self._broken = self._broken or why
            self._freed.set()

    def settle(self, ticket: object, usd: float | None) -> None:
        """The request is over and cost `usd`."""
        del self._held[ticket]
        self.spent += usd or 0.0
        self._freed.set()

    def _over(self, most: float) -> str:
        limit = dollars(self.limit or 0.0)
        return (
            f"the limit of {limit} would be passed ({dollars(self.spent)} spent, and one request more may cost up to "
            f"{dollars(most)})"
        )

    def _fits(self, most: float) -> bool:
        if self.limit is None or self._shut or self._broken or (self._held and not self._proved):
            return False
        # Summed anew each time: a running total would drift by its roundings.
        return self.spent + sum(self._held.values()) + most <= self.limit
