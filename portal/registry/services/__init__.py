"""The rules of the registry: the only way in for admin, API, tasks and commands."""

from portal.registry.services.aliases import assign_alias, bootstrap_champion, refuse_champion
from portal.registry.services.applying import apply
from portal.registry.services.automatic import (
    applies_itself,
    apply_automatically,
    propose,
    weigh,
)
from portal.registry.services.decisions import approve, reject, withdraw
from portal.registry.services.emergencies import (
    Rollback,
    break_glass,
    quarantine,
    release,
    rollback,
    rollback_automatically,
)
from portal.registry.services.gates import sentences
from portal.registry.services.manifests import read_artifact, verify
from portal.registry.services.requests import request_promotion
from portal.registry.services.retirement import retire
from portal.registry.services.upkeep import (
    Removed,
    check_damaged,
    expire_due,
    remove_old_versions,
)
from portal.registry.services.versions import (
    check_policy,
    ensure_model,
    freeze_evaluation_set,
    register_version,
    set_gate_policy,
)

__all__ = [
    "Removed",
    "Rollback",
    "applies_itself",
    "apply",
    "apply_automatically",
    "approve",
    "assign_alias",
    "bootstrap_champion",
    "break_glass",
    "check_damaged",
    "check_policy",
    "ensure_model",
    "expire_due",
    "freeze_evaluation_set",
    "propose",
    "quarantine",
    "read_artifact",
    "refuse_champion",
    "register_version",
    "reject",
    "release",
    "remove_old_versions",
    "request_promotion",
    "retire",
    "rollback",
    "rollback_automatically",
    "sentences",
    "set_gate_policy",
    "verify",
    "weigh",
    "withdraw",
]
