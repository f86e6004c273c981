"""API keys: made once, kept as a hash, checked on every call, revoked at once.

The secret is 256 random bits, so a plain SHA-256 keeps it: nobody can try 2^256 secrets however
fast the hash is. Slow hashes protect passwords that people choose; here they would only cost
every call its speed.
"""

import logging
import secrets
import string
import threading
import time
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import CharField, F, OuterRef, Subquery, Value
from django.db.models.functions import Cast, Coalesce, Concat
from django.utils.translation import gettext as _

from portal.core import audit, key_news, notices
from portal.core.actors import Actor
from portal.core.errors import Conflict, FieldProblem, InvalidInput, PortalError, Refused
from portal.core.models import Alert, ApiKey, Scope, User
from portal.core.request_context import current_request_id
from portal.lib import clock
from portal.lib.hashing import sha256_bytes

logger = logging.getLogger(__name__)

SECRET_BYTES = 32
PREFIX_LENGTH = 8
PREFIX_ALPHABET = string.ascii_lowercase + string.digits
LONGEST_KEY = 100
CACHE_S = 30.0
CACHE_SIZE = 4096
USE_NOTED_EVERY = timedelta(minutes=1)
# What these open must not be done in another person's name: who trained may not approve.
PERSONAL_SCOPES = frozenset({Scope.TRAIN.value, Scope.PROMOTE.value, Scope.ADMIN.value})


class KeyRefused(PortalError):
    """The key given opens nothing: unknown, expired, revoked, or its owner is inactive."""

    code = "invalid_key"
    status = 401
    title = "The key is not accepted"


@dataclass(frozen=True)
class Principal:
    """Who calls the API: a key and the account it acts for, or a signed-in person without a key.

    Attributes
    ----------
    user
        The account. Each caller gets a copy of its own, with nothing cached on it.
    key_id, prefix, scopes
        Of the key; None and empty for a person.
    expires_at
        When the key ends by itself.
    permissions
        Of a key: what its account may do, as of the moment the key was looked up.
    """

    user: User
    key_id: int | None = None
    prefix: str = ""
    scopes: frozenset[str] = frozenset()
    expires_at: datetime | None = None
    permissions: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The principal as limits, idempotency records and predictions name it."""
        return f"user:{self.user.pk}" if self.key_id is None else f"key:{self.key_id}"

    @property
    def is_key(self) -> bool:
        return self.key_id is not None

    def may(self, permission: str) -> bool:
        """Whether the account holds a permission, by a role, by name or as a superuser."""
        return permission in self.permissions if self.is_key else self.user.has_perm(permission)

    @property
    def actor(self) -> Actor:
        """The principal as services and the audit log see it."""
        return Actor(
            name=self.user.get_username(),
            via="key" if self.is_key else "person",
            user_id=self.user.pk,
            key_prefix=self.prefix,
            scopes=self.scopes,
            request_id=current_request_id(),
        )


def create_key(
    *,
    user: User,
    name: str,
    scopes: Iterable[str],
    actor: Actor,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and return it with its plain text, which is shown this once and kept nowhere.

    Raises
    ------
    InvalidInput
        For an unknown scope, no scope, an inactive account, an empty name or an end in the past.
    Refused
        When the actor may not hand out such a key.
    """
    wanted = sorted(set(scopes))
    with audit.refusals(actor, "key.create", f"user {user.get_username()}"):
        _check_key(user, name, wanted, expires_at)
        _check_giver(user, wanted, actor)
    while True:
        try:
            return _insert_key(user, name, wanted, expires_at, actor)
        except _PrefixTaken:
            continue


class _PrefixTaken(Exception):
    """Another key has this prefix already: one chance in 10^12."""


def _insert_key(
    user: User, name: str, scopes: list[str], expires_at: datetime | None, actor: Actor
) -> tuple[ApiKey, str]:
    prefix = "mw_" + "".join(secrets.choice(PREFIX_ALPHABET) for _i in range(PREFIX_LENGTH))
    plain = f"{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    key = ApiKey(
        name=name.strip(),
        user=user,
        prefix=prefix,
        digest=digest(plain),
        scopes=scopes,
        expires_at=expires_at,
    )
    with transaction.atomic():
        try:
            with transaction.atomic():
                key.save(force_insert=True)
        except IntegrityError as exc:
            raise _PrefixTaken from exc
        audit.record(actor, "key.create", key, detail={"scopes": scopes, "for": str(user)})
        if actor.user_id != user.pk:
            _tell_owner(key, actor)
    return key, plain


def _tell_owner(key: ApiKey, actor: Actor) -> None:
    """Say aloud that somebody else made a key in a person's name."""
    notices.send(
        kind="key.made_for_another",
        subject=_("%(maker)s made the key “%(name)s” that acts for %(owner)s.")
        % {"maker": actor.name, "name": key.name, "owner": key.user.get_username()},
        body=_("Scopes: %(scopes)s. Whoever does not know of it should have the key revoked.")
        % {"scopes": ", ".join(key.scopes)},
        url=f"/admin/core/apikey/{key.pk}/change/",
        severity=Alert.Severity.WARNING,
        key=f"key.made_for_another:{key.pk}",
    )


def digest(plain: str) -> str:
    """Return what is kept of a key."""
    return sha256_bytes(plain.encode("utf-8", "replace"))


def _check_key(user: User, name: str, scopes: list[str], expires_at: datetime | None) -> None:
    problems = []
    if not name.strip() or len(name) > 120:
        problems.append(
            FieldProblem("name", "length", _("Give the key a name of 1 to 120 characters."))
        )
    unknown = [scope for scope in scopes if scope not in Scope.values]
    if unknown or not scopes:
        problems.append(
            FieldProblem(
                "scopes",
                "choice",
                _("Scopes seen: “%(seen)s”. Name at least one of: %(known)s.")
                % {"seen": ", ".join(scopes), "known": ", ".join(Scope.values)},
            )
        )
    if expires_at is not None and expires_at <= clock.now():
        problems.append(
            FieldProblem("expires_at", "past", _("The end of the key must lie in the future."))
        )
    if not user.is_active:
        problems.append(
            FieldProblem("user", "inactive", _("The account is inactive; activate it first."))
        )
    if problems:
        raise InvalidInput(_("The key was not made."), problems=problems)


def _check_giver(user: User, scopes: list[str], actor: Actor) -> None:
    """Refuse a key that would let somebody act as another where two people are asked for."""
    personal = sorted(PERSONAL_SCOPES.intersection(scopes))
    if personal and actor.user_id != user.pk and actor.via != "command":
        raise Refused(
            _(
                "A key with the scope “%(scopes)s” can be made only by the person it acts for, "
                "or on the command line of the server."
            )
            % {"scopes": ", ".join(personal)},
            code="personal_scope",
        )
    beyond = sorted(set(scopes) - actor.scopes)
    if actor.via == "key" and beyond:
        raise Refused(
            _("A key hands out only scopes it has itself; it lacks “%(scopes)s”.")
            % {"scopes": ", ".join(beyond)},
            code="scope_missing",
        )


def revoke(*, key: ApiKey, actor: Actor) -> ApiKey:
    """Revoke a key; no process accepts it any more once this is committed."""
    with transaction.atomic():
        alive = ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True)
        if not alive.update(revoked_at=clock.now()):
            raise Conflict(
                _("The key “%(name)s” is revoked already.") % {"name": key.name},
                code="key_revoked",
            )
        audit.record(actor, "key.revoke", key)
        transaction.on_commit(invalidate)
    key.refresh_from_db()
    return key


def invalidate() -> None:
    """Make every process ask the database again about every key."""
    _cache.clear()
    key_news.announce()


def authenticate(plain: str) -> Principal:
    """Return whom a key stands for.

    The answer is remembered for 30 s, and only while this process hears of revocations.

    Raises
    ------
    KeyRefused
        When the key opens nothing.
    """
    if not plain or " " in plain:
        raise malformed()
    if not plain.startswith("mw_") or len(plain) > LONGEST_KEY:
        raise _refusal()
    key_digest = digest(plain)
    principal = _cache.get(key_digest) or _learned(key_digest)
    if principal.expires_at is not None and principal.expires_at <= clock.now():
        raise _refusal()
    return replace(principal, user=copy(principal.user))


def _learned(key_digest: str) -> Principal:
    """Look a key up, once for all threads that ask at this moment.

    Without the turns every thread of a busy process opens a database connection of its own each
    time a key is forgotten: measured as a stall of 0.3 s at 1,500 requests a second.
    """
    epoch = key_news.epoch()
    if epoch is None:
        return _look_up(key_digest)
    with _turns[int(key_digest[:2], 16)]:
        principal = _cache.get(key_digest)
        if principal is None:
            principal = _look_up(key_digest)
            _cache.put(key_digest, principal, epoch)
        return principal


def _refusal() -> KeyRefused:
    return KeyRefused(
        _("The key is unknown, expired or revoked; ask an administrator for another.")
    )


def malformed() -> KeyRefused:
    """Return the error for an Authorization header that holds no bearer key."""
    return KeyRefused(
        _("The Authorization header must read “Bearer”, a space and the key."),
        code="malformed_authorization",
    )


def _look_up(key_digest: str) -> Principal:
    key = ApiKey.objects.usable().select_related("user").filter(digest=key_digest).first()
    if key is None:
        raise _refusal()
    _note_use(key)
    return Principal(
        user=copy(key.user),
        key_id=key.pk,
        prefix=key.prefix,
        scopes=frozenset(key.scopes),
        expires_at=key.expires_at,
        permissions=frozenset(key.user.get_all_permissions()),
    )


def called(field: str) -> Coalesce:
    """Return the SQL for what people call a recorded principal: its key's name or its account's.

    Parameters
    ----------
    field
        The column that holds ``key:7`` or ``user:3``; anything else stays as it is.
    """
    number = Cast("pk", CharField())
    keys = ApiKey.objects.annotate(spelt=Concat(Value("key:"), number))
    users = User.objects.annotate(spelt=Concat(Value("user:"), number))
    return Coalesce(
        Subquery(keys.filter(spelt=OuterRef(field)).values("name")[:1]),
        Subquery(users.filter(spelt=OuterRef(field)).values("username")[:1]),
        F(field),
        output_field=CharField(),
    )


def _note_use(key: ApiKey) -> None:
    moment = clock.now()
    before = moment - USE_NOTED_EVERY
    if key.last_used_at is None or key.last_used_at < before:
        stale = ApiKey.objects.filter(pk=key.pk).exclude(last_used_at__gte=before)
        stale.update(last_used_at=moment)


class _Cache:
    """Keys this process has looked up, each good for a while and for one epoch of news."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[Principal, float, int]] = {}
        self._lock = threading.Lock()

    def get(self, key_digest: str) -> Principal | None:
        entry = self._entries.get(key_digest)
        if entry is None:
            return None
        principal, good_until, epoch = entry
        fresh = time.monotonic() < good_until and epoch == key_news.epoch()
        return principal if fresh else None

    def put(self, key_digest: str, principal: Principal, epoch: int) -> None:
        with self._lock:
            if len(self._entries) >= CACHE_SIZE:
                self._entries.clear()
            self._entries[key_digest] = (principal, time.monotonic() + CACHE_S, epoch)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


_cache = _Cache()
_turns = [threading.Lock() for _number in range(256)]
