"""What a user can get wrong. Each error is one sentence: what is wrong, where, and what to do."""


class MonoscopeError(Exception):
    """A mistake that a user can mend; the command line prints it as one sentence and exits with 1."""


class HomeError(MonoscopeError):
    """The home folder cannot be found, read or written."""


class CatalogueError(MonoscopeError):
    """A data set is unknown, incomplete, damaged, or not the one that was expected."""


class PredicateError(MonoscopeError):
    """An SQL predicate of the user's does not parse, does not fit the table, or asks for too much."""


class RunError(MonoscopeError):
    """A run is unknown, incomplete, or does not belong to the catalogue beside it."""


class EditError(MonoscopeError):
    """An edit cannot be applied: unknown neuron, empty cohort, impossible amount."""


class LabelError(MonoscopeError):
    """A label could not be obtained or stored."""


class SessionError(MonoscopeError):
    """A session cannot be opened, or is held by another terminal."""


class Cancelled(MonoscopeError):
    """The work was cancelled; what was complete before is kept."""
