"""The rules of the registry: the only way in for admin, API, tasks and commands."""

from portal.registry.services.aliases import assign_alias, bootstrap_champion
from portal.registry.services.manifests import read_artifact, verify
from portal.registry.services.versions import (
    check_policy,
    ensure_model,
    freeze_evaluation_set,
    register_version,
)

__all__ = [
    "assign_alias",
    "bootstrap_champion",
    "check_policy",
    "ensure_model",
    "freeze_evaluation_set",
    "read_artifact",
    "register_version",
    "verify",
]
