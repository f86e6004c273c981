"""Settings of the whole product, read from the environment through typed readers.

Everything has a default that suits one machine; every value that is wrong stops the start with a
message. docs/settings.md lists each variable.
"""

from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import django_stubs_ext
from django.utils.translation import gettext_lazy as _
from kombu import Queue

from portal.env import Env, postgres_options
from portal.logging import logging_config
from portal.stack import secrets, state

django_stubs_ext.monkeypatch()

env = Env()

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = env.path("MILLWRIGHT_HOME", BASE_DIR / "var")
VERSION = "0.1.0"

# --- Safety --------------------------------------------------------------------------------------
DEBUG = env.flag("MILLWRIGHT_DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY") or secrets.secret_key(HOME)
SECRET_KEY_FALLBACKS = env.words("MILLWRIGHT_OLD_SECRET_KEYS", [])
BIND = env.text("MILLWRIGHT_BIND", "127.0.0.1:8000")
HTTPS = env.flag("MILLWRIGHT_HTTPS", default=False)
ALLOWED_HOSTS = env.words("MILLWRIGHT_HOSTS", ["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.words("MILLWRIGHT_ORIGINS", [])
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"

# --- Application ---------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "portal.apps.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "portal.core.apps.CoreConfig",
    "portal.runs.apps.RunsConfig",
    "portal.registry.apps.RegistryConfig",
    "predictions.apps.PredictionsConfig",
    "search.apps.SearchConfig",
    "search.lab.apps.LabConfig",
    "tuning.apps.TuningConfig",
    "monitoring.apps.MonitoringConfig",
    "portal.console.apps.ConsoleConfig",
]
# What every answer needs, on the short lane before Django as well (portal/core/api/lane.py).
OUTER_MIDDLEWARE = [
    "portal.core.request_context.RequestContextMiddleware",
    "monitoring.middleware.ProbesMiddleware",
    "monitoring.counting.CountingMiddleware",
    "django.middleware.security.SecurityMiddleware",
]
MIDDLEWARE = [
    *OUTER_MIDDLEWARE,
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.core.api.middleware.ApiMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
APPEND_SLASH = True
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_USER_MODEL = "core.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

# --- Data ----------------------------------------------------------------------------------------
DATABASES = {
    "default": {
        **postgres_options(state.database_url(HOME)),
        "CONN_MAX_AGE": env.integer("MILLWRIGHT_CONN_MAX_AGE_SECONDS", 60, low=0),
        "CONN_HEALTH_CHECKS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = state.redis_url(HOME)
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
}

# --- Language and time ---------------------------------------------------------------------------
LANGUAGE_CODE = env.choice("MILLWRIGHT_LANGUAGE", "ko", {"ko", "en"})
LANGUAGES = [("ko", _("Korean")), ("en", _("English"))]
# Chosen once, kept until somebody chooses otherwise; without an age it goes with the window.
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LOCALE_PATHS = [BASE_DIR / "portal" / "locale"]
USE_TZ = True
TIME_ZONE = env.text("MILLWRIGHT_TIME_ZONE", "Asia/Seoul")

# --- Files ---------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = HOME / "static"
DATA_UPLOAD_MAX_MEMORY_SIZE = env.integer("MILLWRIGHT_MAX_BODY_BYTES", 32 << 20, low=1 << 20)
MAX_DATASET_BYTES = env.integer("MILLWRIGHT_MAX_DATASET_BYTES", 256 << 20, low=1 << 20)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    "artifacts": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": HOME / "artifacts", "file_permissions_mode": 0o640},
    },
}
if env.text("MILLWRIGHT_S3_BUCKET"):
    STORAGES["artifacts"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": env.text("MILLWRIGHT_S3_BUCKET"),
            "endpoint_url": env.text("MILLWRIGHT_S3_ENDPOINT") or None,
            "region_name": env.text("MILLWRIGHT_S3_REGION") or None,
            "access_key": env.text("MILLWRIGHT_S3_ACCESS_KEY") or None,
            "secret_key": env.text("MILLWRIGHT_S3_SECRET_KEY") or None,
            "file_overwrite": True,
            "querystring_auth": True,
        },
    }

# --- Backups -------------------------------------------------------------------------------------
BACKUP_TO = env.text("MILLWRIGHT_BACKUP_TO", str(HOME / "backups"))
BACKUP_KEEP = timedelta(days=env.integer("MILLWRIGHT_BACKUP_KEEP_DAYS", 14, low=1))
BACKUP_PASSPHRASE = env.content("MILLWRIGHT_BACKUP_PASSPHRASE_FILE")
BACKUP_S3 = {
    "endpoint": env.text("MILLWRIGHT_BACKUP_S3_ENDPOINT") or env.text("MILLWRIGHT_S3_ENDPOINT"),
    "region": env.text("MILLWRIGHT_BACKUP_S3_REGION") or env.text("MILLWRIGHT_S3_REGION"),
    "access_key": env.text("MILLWRIGHT_BACKUP_S3_ACCESS_KEY")
    or env.text("MILLWRIGHT_S3_ACCESS_KEY"),
    "secret_key": env.text("MILLWRIGHT_BACKUP_S3_SECRET_KEY")
    or env.text("MILLWRIGHT_S3_SECRET_KEY"),
}

# --- Work ----------------------------------------------------------------------------------------
CELERY_BROKER_URL = state.broker_url(REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = None  # there are no results to clean up after
CELERY_TASK_QUEUES = [
    Queue(name, routing_key=name) for name in ("interactive", "train", "bench", "maintenance")
]
CELERY_TASK_DEFAULT_QUEUE = "maintenance"
CELERY_TASK_ACKS_LATE = (
    False  # a message is a hint; the run row is the truth and is sent again when lost
)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True  # take a message only when a slot is free
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # wait for Redis however long it takes
# A broker that vanished must not hold a request or a beat for minutes: the sweeper sends again.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 10,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.1}
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TIMEZONE = TIME_ZONE
CELERY_ENABLE_UTC = True
RUN_LEASE_S = env.integer("MILLWRIGHT_RUN_LEASE_SECONDS", 20, low=3)
RUN_HEARTBEAT_S = env.integer("MILLWRIGHT_RUN_HEARTBEAT_SECONDS", 4, low=1)
RUN_MAX_ATTEMPTS = env.integer("MILLWRIGHT_RUN_MAX_ATTEMPTS", 3, low=1)
RUN_RESEND_AFTER_S = env.integer("MILLWRIGHT_RUN_RESEND_SECONDS", 15, low=1)
RUN_CANCEL_GRACE_S = env.integer("MILLWRIGHT_RUN_CANCEL_GRACE_SECONDS", 15, low=1)
RUN_SWEEP_S = env.integer("MILLWRIGHT_RUN_SWEEP_SECONDS", 5, low=1)
RUN_DRAIN_S = env.integer("MILLWRIGHT_RUN_DRAIN_SECONDS", 5, low=0)
RUN_MAX_EVENTS = env.integer("MILLWRIGHT_RUN_MAX_EVENTS", 20_000, low=100)
RUN_EVENT_RETENTION = timedelta(days=env.integer("MILLWRIGHT_RUN_EVENT_RETENTION_DAYS", 30, low=1))
RUN_STREAMS = env.integer("MILLWRIGHT_RUN_STREAMS", 8, low=1)
RUN_STREAM_S = env.integer("MILLWRIGHT_RUN_STREAM_SECONDS", 300, low=1)
PROMOTION_TTL = timedelta(hours=env.integer("MILLWRIGHT_PROMOTION_TTL_HOURS", 72, low=1))
RETENTION = timedelta(days=env.integer("MILLWRIGHT_RETENTION_DAYS", 180, low=1))
RETRAIN_MIN_NEW = env.integer("MILLWRIGHT_RETRAIN_MIN_NEW_SHOTS", 500, low=1)
RETRAIN_COOLDOWN = timedelta(hours=env.integer("MILLWRIGHT_RETRAIN_COOLDOWN_HOURS", 24, low=0))
SNAPSHOT_RETENTION = timedelta(days=env.integer("MILLWRIGHT_SNAPSHOT_RETENTION_DAYS", 180, low=1))
PREDICTION_RETENTION = timedelta(days=env.integer("MILLWRIGHT_PREDICTION_RETENTION_DAYS", 0, low=0))

# --- Predictions ---------------------------------------------------------------------------------
STRICT_RECORDING = env.flag("MILLWRIGHT_STRICT_RECORDING", default=False)

# --- Search --------------------------------------------------------------------------------------
# Addresses that a collection may name; the key goes to these and nowhere else.
EMBEDDING_URLS = env.words("MILLWRIGHT_EMBEDDING_URLS", [])
EMBEDDING_API_KEY = env.text("MILLWRIGHT_EMBEDDING_API_KEY")
INDEX_RETENTION_DAYS = env.integer("MILLWRIGHT_INDEX_RETENTION_DAYS", 14, low=1)
QUERY_RETENTION_DAYS = env.integer("MILLWRIGHT_QUERY_RETENTION_DAYS", 90, low=1)
QUERIES_PER_MINUTE = env.integer("MILLWRIGHT_QUERIES_PER_MINUTE", 60_000, low=0)
SEARCH_TARGET_MS = env.integer("MILLWRIGHT_SEARCH_TARGET_MS", 200, low=1)
SEARCH_CACHE_MB = env.integer("MILLWRIGHT_SEARCH_CACHE_MB", 8, low=0)
SEARCH_SHARED_CACHE_MB = env.integer("MILLWRIGHT_SEARCH_SHARED_CACHE_MB", 64, low=0)
# The whole number that portal/stack gives the server; one collection gets most of them.
WEB_THREADS = env.integer("MILLWRIGHT_WEB_THREADS", 24, low=2)
ANSWERS_URL = env.text("MILLWRIGHT_ANSWERS_URL")
ANSWERS_MODEL = env.text("MILLWRIGHT_ANSWERS_MODEL")
ANSWERS_API_KEY = env.text("MILLWRIGHT_ANSWERS_API_KEY")
ANSWERS_TIMEOUT_S = env.integer("MILLWRIGHT_ANSWERS_TIMEOUT_SECONDS", 20, low=1)

# --- Tuning --------------------------------------------------------------------------------------
OPTION_WATCH = timedelta(hours=env.integer("MILLWRIGHT_OPTION_WATCH_HOURS", 24, low=1, high=720))
OPTION_BREACHES = env.integer("MILLWRIGHT_OPTION_BREACHES", 3, low=1, high=1000)
OPTION_MARGIN = env.integer("MILLWRIGHT_OPTION_MARGIN_PERCENT", 10, low=0, high=90) / 100
OPTION_COOLDOWN = timedelta(hours=env.integer("MILLWRIGHT_OPTION_COOLDOWN_HOURS", 24, low=0))
OPTION_APPLIES = env.integer("MILLWRIGHT_OPTION_APPLIES_PER_DAY", 2, low=1)

# --- Monitoring ----------------------------------------------------------------------------------
METRICS_TOKEN = env.secret("MILLWRIGHT_METRICS_TOKEN", shortest=16)
METRICS_ALLOW = env.networks("MILLWRIGHT_METRICS_ALLOW", ["127.0.0.0/8", "::1"])
OTLP_ENDPOINT = env.text("MILLWRIGHT_OTLP_ENDPOINT")
TRACED_PERCENT = env.integer("MILLWRIGHT_TRACED_PERCENT", 100, low=0, high=100)
CAN_TRACE = find_spec("opentelemetry") is not None and all(
    find_spec(f"opentelemetry.{part}") is not None for part in ("sdk", "exporter")
)
PUBLIC_URL = env.text("MILLWRIGHT_URL", f"http://{BIND}").rstrip("/")
ALERT_ALLOW_HOSTS = env.words("MILLWRIGHT_ALERT_ALLOW_HOSTS", [])
ALERT_TIMEOUT_S = env.integer("MILLWRIGHT_ALERT_TIMEOUT_SECONDS", 10, low=1, high=25)
SLACK_SIGNING_SECRET = env.secret("MILLWRIGHT_SLACK_SIGNING_SECRET", shortest=16)
HEARTBEAT_URL = env.text("MILLWRIGHT_HEARTBEAT_URL")
HEARTBEAT_EVERY_S = env.integer("MILLWRIGHT_HEARTBEAT_SECONDS", 60, low=10, high=3600)
ALERT_EVERY_S = env.integer("MILLWRIGHT_ALERT_EVERY_SECONDS", 5, low=1, high=60)
if OTLP_ENDPOINT and CAN_TRACE:
    OUTER_MIDDLEWARE.insert(1, "monitoring.tracing.TracingMiddleware")
    MIDDLEWARE.insert(1, "monitoring.tracing.TracingMiddleware")

# --- API -----------------------------------------------------------------------------------------
REQUESTS_PER_MINUTE = env.integer("MILLWRIGHT_REQUESTS_PER_MINUTE", 120_000, low=0)
ANONYMOUS_REQUESTS_PER_MINUTE = env.integer("MILLWRIGHT_ANONYMOUS_REQUESTS_PER_MINUTE", 600, low=0)
SIGN_IN_FAILURES_PER_MINUTE = env.integer("MILLWRIGHT_SIGN_IN_FAILURES_PER_MINUTE", 10, low=0)
N_PROXIES = env.integer("MILLWRIGHT_PROXIES", 0, low=0)
CSRF_FAILURE_VIEW = "portal.core.api.middleware.csrf_failure"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "portal.core.api.authentication.KeyAuthentication",
        "portal.core.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["portal.core.api.permissions.ScopePermission"],
    "DEFAULT_PARSER_CLASSES": ["portal.core.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_THROTTLE_CLASSES": ["portal.core.api.throttles.RequestLimit"],
    "DEFAULT_PAGINATION_CLASS": "portal.core.api.pages.CursorPage",
    "DEFAULT_FILTER_BACKENDS": ["portal.core.api.filters.StrictFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "portal.core.api.schema.PortalAutoSchema",
    "EXCEPTION_HANDLER": "portal.core.api.exceptions.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Millwright",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.0",
    "DESCRIPTION": "Machine-learning operations for manufacturing.",
    "LICENSE": {"name": "Apache-2.0"},
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "COMPONENT_SPLIT_REQUEST": True,
    "DEFAULT_GENERATOR_CLASS": "portal.core.api.schema.EnglishGenerator",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "portal.core.api.schema.add_problem",
    ],
    "ENUM_NAME_OVERRIDES": {
        "AliasName": "portal.registry.models.Alias",
        "AnswerKind": "search.api.shapes.ANSWER_KINDS",
        "AuditOutcome": "portal.core.models.AuditEntry.Outcome",
        "DatasetKind": "predictions.models.Dataset.Kind",
        "GateOutcome": "portal.registry.models.GateEvaluation.Outcome",
        "MoveKind": "portal.registry.models.AliasMove.Kind",
        "PredictionRole": "predictions.models.Prediction.Role",
        "PromotionState": "portal.registry.models.PromotionRequest.State",
        "QualityClass": "predictions.models.Prediction.Label",
        "QualityConfidence": "predictions.models.Prediction.Confidence",
        "RoutingConfidence": "predictions.models.RoutingPrediction.Confidence",
        "RunState": "portal.runs.models.State",
        "SlotOutcome": "portal.runs.models.ScheduleSlot.Outcome",
        "VersionState": "portal.registry.models.ModelVersion.State",
    },
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Console -------------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Millwright",
    "SITE_HEADER": "Millwright",
    "SITE_SUBHEADER": _("Machine-learning operations"),
    "SITE_SYMBOL": "precision_manufacturing",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "portal.admin_site.favicon"},
    ],
    "SHOW_HISTORY": True,
    "SHOW_LANGUAGES": True,
    "SHOW_BACK_BUTTON": False,
    "STYLES": ["portal.admin_site.stylesheet", "portal.admin_site.quality_stylesheet"],
    "SIDEBAR": {"navigation": "portal.admin_site.navigation"},
    "COLORS": {
        "primary": {
            "50": "oklch(97.5% .014 240)",
            "100": "oklch(94% .03 240)",
            "200": "oklch(88.5% .055 240)",
            "300": "oklch(81% .09 240)",
            "400": "oklch(71% .12 240)",
            "500": "oklch(60% .125 240)",
            "600": "oklch(51% .115 242)",
            "700": "oklch(43.5% .1 243)",
            "800": "oklch(37.5% .083 244)",
            "900": "oklch(32% .066 245)",
            "950": "oklch(23.5% .05 246)",
        },
    },
}

# --- Logs ----------------------------------------------------------------------------------------
LOG_LEVEL = env.choice("MILLWRIGHT_LOG_LEVEL", "INFO", {"DEBUG", "INFO", "WARNING", "ERROR"})
LOGGING = logging_config(LOG_LEVEL)
