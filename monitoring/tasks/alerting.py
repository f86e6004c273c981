"""The notifier in the workers' main processes."""

from typing import Any

from celery import signals

from monitoring.services.alerting import thread

_threads: dict[str, thread.Thread] = {}


@signals.worker_ready.connect
def start(sender: Any, **_kwargs: Any) -> None:
    """Begin when the worker takes messages, unless another of this machine does."""
    one = _threads[sender.hostname] = thread.Thread()
    one.start()


@signals.worker_shutting_down.connect
def stop(sender: str, **_kwargs: Any) -> None:
    """Let another worker of this machine go on at once."""
    if one := _threads.pop(sender, None):
        one.stopping.set()
