"""Messages to the workers: hints that a run waits, never the truth about it."""

from typing import Any
from uuid import UUID

import structlog
from celery import current_app
from django.db.models.functions import Now
from kombu import Queue
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from portal.runs.models import Run

EXECUTE = "portal.runs.execute"
BROKER_DOWN = (BrokerError, RedisError, OSError)

log = structlog.get_logger(__name__)


def send(run_id: UUID, queue: str, priority: int = 0) -> bool:
    """Tell the workers of a queue that a run waits; False when the broker does not take it.

    A lost message is no loss: the sweeper sends again whatever nobody claims. It sends without a
    priority, so what had to wait long goes to the front.

    Parameters
    ----------
    run_id, queue
        Of the run.
    priority
        From 0, which workers take first, to 9.
    """
    try:
        current_app.send_task(
            EXECUTE,
            args=[str(run_id)],
            task_id=str(run_id),
            queue=queue,
            priority=priority,
            ignore_result=True,
        )
    except BROKER_DOWN as exc:
        log.warning("message_not_sent", run_id=str(run_id), queue=queue, error=str(exc))
        return False
    Run.objects.queued().filter(pk=run_id).update(sent_at=Now())
    return True


def n_waiting(queue: str) -> int:
    """Return how many messages a queue holds.

    Raises
    ------
    kombu.exceptions.OperationalError, redis.RedisError, OSError
        When the broker does not answer (see ``BROKER_DOWN``).
    """
    with current_app.connection_for_write() as connection:
        try:
            bound = Queue(queue, channel=connection.default_channel)
            declared: Any = bound.queue_declare(passive=True)
        except connection.channel_errors:
            return 0  # an empty queue does not exist in Redis
        return int(declared.message_count)
