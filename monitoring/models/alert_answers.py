"""What comes back from channels: who answers, what was answered already, what is replied."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from portal.lib import clock


class ChatAccount(models.Model):
    """That somebody of a chat is the owner of an account here; linked by the signed-in owner."""

    team = models.CharField(_("workspace"), max_length=40)
    member = models.CharField(_("member"), max_length=40)
    name = models.CharField(_("name there"), max_length=120)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="chat_accounts",
        verbose_name=_("account"),
    )
    linked_at = models.DateTimeField(_("linked"), default=clock.now)

    class Meta:
        verbose_name = _("chat account")
        verbose_name_plural = _("chat accounts")
        ordering = ("name",)
        default_permissions = ("delete", "view")
        constraints = [
            models.UniqueConstraint(fields=["team", "member"], name="monitoring_chat_account_once"),
        ]

    def __str__(self) -> str:
        return self.name


class UsedNonce(models.Model):
    """A signed request that was carried out; it is not carried out again."""

    source = models.CharField(max_length=60)
    nonce = models.CharField(max_length=128)
    at = models.DateTimeField(default=clock.now, db_index=True)

    class Meta:
        verbose_name = _("used nonce")
        verbose_name_plural = _("used nonces")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["source", "nonce"], name="monitoring_nonce_once"),
        ]

    def __str__(self) -> str:
        return self.source


class ChatReply(models.Model):
    """What is said to somebody who pressed a button in a chat; sent by the courier, then gone."""

    address = models.TextField()
    text = models.TextField()
    created_at = models.DateTimeField(default=clock.now)
    n_attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = _("chat reply")
        verbose_name_plural = _("chat replies")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.pk)


class Pulse(models.Model):
    """The one row of the dead-man switch: when it was due, what was found, what the ping gave."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    due_at = models.DateTimeField(default=clock.now)
    looked_at = models.DateTimeField(_("looked"), null=True)
    trouble = models.CharField(_("not pinged because"), max_length=300, blank=True)
    pinged_at = models.DateTimeField(_("pinged"), null=True)
    error = models.CharField(_("error"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("dead-man switch")
        verbose_name_plural = _("dead-man switch")
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="monitoring_pulse_one"),
        ]

    def __str__(self) -> str:
        return str(self.pinged_at)
