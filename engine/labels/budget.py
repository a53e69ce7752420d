"""A limit on money that requests under way at once cannot pass together."""

import asyncio

from engine.errors import LabelError
from engine.labels.prices import dollars


class OverLimit(Exception):
    """The limit would be passed, and nothing is under way whose true cost might still leave room."""


class Budget:
    """US dollars that may be spent (None: no limit), of which some have been. For the tasks of one event loop."""

    def __init__(self, limit: float | None = None, spent: float = 0.0) -> None:
        if limit is not None and not 0 <= limit < float("inf"):
            raise LabelError(f"The limit of cost must be an amount of US dollars, not {limit:g}.")
        self.limit = limit
        self.spent = spent
        self._held: dict[object, float] = {}
        self._freed = asyncio.Event()
        self._shut = False

    def next(self) -> "Budget":
        """What is left of it, for another event loop."""
        return Budget(self.limit, self.spent)

    async def hold(self, most: float | None) -> object:
        """Set `most` aside for a request, as soon as there is room for it; returns what `settle` takes.

        Raises `OverLimit` if it does not fit beside what was spent and nothing is under way; from then on for all.
        """
        while self.limit is not None and not self._fits(most or 0.0):
            if self._shut or not self._held:
                self._shut = True
                raise OverLimit(f"the limit of {dollars(self.limit)} would be passed ({dollars(self.spent)} spent)")
            self._freed.clear()
            await self._freed.wait()
        ticket = object()
        self._held[ticket] = most or 0.0
        return ticket

    def settle(self, ticket: object, usd: float | None) -> None:
        """The request is over and cost `usd`."""
        del self._held[ticket]
        self.spent += usd or 0.0
        self._freed.set()

    def _fits(self, most: float) -> bool:
        # Summed anew each time: a running total would drift by its roundings.
        return self.limit is not None and not self._shut and self.spent + sum(self._held.values()) + most <= self.limit
