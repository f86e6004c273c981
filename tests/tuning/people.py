"""People in their roles, also where a test before emptied the tables."""

from importlib import import_module

from django.apps import apps
from django.contrib.auth.models import Group
from django.test import Client

from portal.core import keys
from portal.core.actors import Actor
from portal.core.models import User


def role_of(role: str) -> Group:
    """Return a role with what the migrations of tuning give it."""
    import_module("tuning.migrations.0002_roles").give(apps, None)
    return Group.objects.get(name=role)


def person(role: str, name: str = "") -> User:
    """Return an account in a role that may enter the console."""
    user, _created = User.objects.get_or_create(
        username=name or f"{role}-of-tuning", defaults={"is_staff": True}
    )
    user.groups.add(role_of(role))
    return user


def caller(role: str, *scopes: str) -> Client:
    """Return a client with a new key of such an account."""
    _key, plain = keys.create_key(
        user=person(role), name="test", scopes=scopes, actor=Actor.system("test")
    )
    return Client(headers={"authorization": f"Bearer {plain}"})
