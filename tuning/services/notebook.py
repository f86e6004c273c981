"""The sampler's notebook: Optuna's tables in a schema of their own, shared by all workers."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.utils.translation import gettext as _
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from portal.core.errors import Unavailable

SCHEMA = "optuna"
#: Two workers that make the tables at once would trip over each other.
_MAKING = 7_418_302


@contextmanager
def opened() -> Iterator[RDBStorage]:
    """Give the storage of all studies.

    Raises
    ------
    Unavailable
        If Postgres does not answer.
    """
    try:
        storage = _made()
        try:
            yield storage
        finally:
            storage.remove_session()
            storage.engine.dispose()
    except (StorageInternalError, SQLAlchemyError) as exc:
        raise Unavailable(
            _("The sampler's tables do not answer; the study goes on when they do."),
            code="notebook_unavailable",
        ) from exc


def _made() -> RDBStorage:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_MAKING])
        try:
            return RDBStorage(
                _address(),
                engine_kwargs={
                    "poolclass": NullPool,
                    "connect_args": {"options": f"-csearch_path={SCHEMA}"},
                },
            )
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_MAKING])


def _address() -> str:
    names = ("HOST", "PORT", "USER", "PASSWORD", "NAME")
    own = {name: str(connection.settings_dict[name] or "") for name in names}
    is_folder = own["HOST"].startswith("/")
    url = URL.create(
        "postgresql+psycopg",
        username=own["USER"] or None,
        password=own["PASSWORD"] or None,
        host=None if is_folder else own["HOST"] or None,
        port=None if is_folder or not own["PORT"] else int(own["PORT"]),
        database=own["NAME"],
        query={"host": own["HOST"], "port": own["PORT"] or "5432"} if is_folder else {},
    )
    return url.render_as_string(hide_password=False)
