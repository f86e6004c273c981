"""What can keep the one-machine stack from running; each message says the way out."""


class StackError(Exception):
    """The stack cannot start or go on."""


class AlreadyRunningError(StackError):
    """Another supervisor owns this state folder."""


class NotReadyError(StackError):
    """A member did not become ready in time."""
