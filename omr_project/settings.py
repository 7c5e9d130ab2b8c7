"""Every setting of the site. Each environment variable has a default that works on a laptop."""

import os
import sys
import warnings
from datetime import timedelta
from pathlib import Path

from omr_project.environment import (
    ENV,
    archive_storage,
    bucket_address,
    database_config,
    flag,
    names,
    one_of,
    origins,
    read,
    redis_address,
    time_zone,
    whole,
    writable_folder,
)
from omr_project.secret_key import load_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
ENV.read_env(BASE_DIR / ".env")

# Everything the project writes lies below this folder: database, uploads, results, Redis, the secret key.
VAR_DIR = read("VAR_DIR", writable_folder, str(BASE_DIR / "var"), expects="a folder that can be written")

SECRET_KEY = read("SECRET_KEY", str, "", expects="a long random text") or load_secret_key(VAR_DIR / "secret_key")
DEBUG = read("DEBUG", flag, "no", expects="yes or no")
ALLOWED_HOSTS = read("ALLOWED_HOSTS", names, "localhost,127.0.0.1,[::1]", expects="host names, comma-separated")
CSRF_TRUSTED_ORIGINS = read("CSRF_TRUSTED_ORIGINS", names, "", expects="origins such as https://omr.example.org")

# Behind a proxy that ends TLS: cookies only over https, and X-Forwarded-Proto says which requests were.
HTTPS = read("HTTPS", flag, "no", expects="yes when people reach the site over https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # asked by machines beside us, without the proxy
SECURE_HSTS_SECONDS = 30 * 24 * 3600 if HTTPS else 0  # this host only: what else a domain serves is not ours to say
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
# Pages load what this site serves and nothing else; no script and no style stands inside a page, nor in the admin's.
SECURE_CSP = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "object-src": ["'none'"],
    "frame-ancestors": ["'none'"],
}
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]  # subdomains and preload lists: the domain's owner decides

INSTALLED_APPS = [
    # Before staticfiles: it brings the runserver that can stream. It loads Twisted: 15 MB that nobody else needs.
    *(["daphne"] if "runserver" in sys.argv else []),
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "corsheaders",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "axes",
    "django_structlog",
    "progress",
    "batches",
    "omr_project.apps.WiringConfig",
]

MIDDLEWARE = [
    "corsheaders.middleware.CorsMiddleware",  # first: preflights follow no redirect, and pages may read every refusal
    "django.middleware.security.SecurityMiddleware",
    "omr_project.content_policy.content_policy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "batches.api.nul.refuse_nul",  # after the language, which it answers in; before anybody asks the database
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "axes.middleware.AxesMiddleware",
]

APPEND_SLASH = False
ROOT_URLCONF = "omr_project.urls"
ASGI_APPLICATION = "omr_project.asgi.application"
WSGI_APPLICATION = None

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

# --- Database ---------------------------------------------------------------------------------------------------------

DATABASES = {
    "default": read(
        "DATABASE_URL",
        database_config,
        f"sqlite:///{VAR_DIR / 'db.sqlite3'}",
        expects="an address: sqlite:///PATH or postgresql://user:password@host:5432/name",
    )
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "init_command": "PRAGMA journal_mode=WAL",
        # A read that turns into a write fails at once, whatever the timeout: so every transaction begins as a write.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }

# --- Finished archives ------------------------------------------------------------------------------------------------

# Empty: the folder "archives" below VAR_DIR. Who asks there, and where, the variables of every S3 program say.
ARCHIVE_STORAGE = read("ARCHIVE_STORAGE", bucket_address, "", expects="empty, or an address such as s3://bucket/folder")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "archives": archive_storage(ARCHIVE_STORAGE, VAR_DIR / "archives"),
}
# What was read of archives in a bucket stays on this machine as long as there is room. Those that read them load no
# settings: they find these two in the environment.
ARCHIVE_CACHE_DIR = read(
    "ARCHIVE_CACHE_DIR", Path, str(VAR_DIR / "cache" / "archives"), expects="a folder that can be written"
)
ARCHIVE_CACHE_GB = read("ARCHIVE_CACHE_GB", whole(at_least=1), "20", expects="a whole number of GB, 1 or more")
os.environ |= {"ARCHIVE_CACHE_DIR": str(ARCHIVE_CACHE_DIR), "ARCHIVE_CACHE_GB": str(ARCHIVE_CACHE_GB)}

# --- Redis ------------------------------------------------------------------------------------------------------------

# Empty: the project starts one of its own below VAR_DIR (see redis_server.py).
REDIS_URL = read("REDIS_URL", redis_address, "", expects="an address such as redis://host:6379/0")
CHANNEL_LAYERS = {"default": {"BACKEND": "omr_project.channel_layer.ProjectChannelLayer"}}

# --- The stream -------------------------------------------------------------------------------------------------------

# After so long without an event a comment goes out, so that no proxy takes the connection for dead; nginx waits 60 s.
STREAM_QUIET_SECONDS = read(
    "STREAM_QUIET_SECONDS", whole(at_least=1), "15", expects="a whole number of seconds, 1 or more"
)

# One account on every screen of an office, several pages each; and yet a hundredth of what a process takes.
STREAMS_PER_USER = read("STREAMS_PER_USER", whole(at_least=1), "100", expects="a whole number, 1 or more")
# In one web process; each costs some 25 KB and a file of the operating system.
STREAMS_IN_ALL = read("STREAMS_IN_ALL", whole(at_least=1), "10000", expects="a whole number, 1 or more")
# A viewer that takes nothing of what waits for it for so long is cut; its client comes back to where it was.
STREAM_STALLED_SECONDS = read(
    "STREAM_STALLED_SECONDS", whole(at_least=1), "30", expects="a whole number of seconds, 1 or more"
)
# How long a stream may outlive the right to watch: less than the minute that is promised, with time to spare.
STREAM_RIGHTS_SECONDS = read(
    "STREAM_RIGHTS_SECONDS", whole(at_least=1, at_most=40), "20", expects="a whole number of seconds, 1 to 40"
)

# --- People -----------------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "batch-list"
LOGOUT_REDIRECT_URL = "login"

AXES_FAILURE_LIMIT = read("LOGIN_ATTEMPTS", whole(at_least=1), "10", expects="a whole number, 1 or more")
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_CALLABLE = "batches.api.errors.answer_lockout"  # 429 with Retry-After
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False

ACCESS_TOKEN_HOURS = read("ACCESS_TOKEN_HOURS", whole(at_least=1), "12", expects="a whole number of hours, 1 or more")
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(hours=ACCESS_TOKEN_HOURS),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "CHECK_REVOKE_TOKEN": True,  # a changed password ends every token
}

# --- API --------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": [
        "batches.api.json_bodies.PlainJSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "EXCEPTION_HANDLER": "batches.api.errors.answer_error",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "OMR batches",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {  # three fields are called status
        "BatchStatus": "batches.models.BatchStatus",
        "SheetStatus": "batches.models.SheetStatus",
        "AnswerStatus": "batches.models.AnswerStatus",
    },
}

# --- Front ends elsewhere ---------------------------------------------------------------------------------------------

# Pages of these origins may use the API, the stream and the upload door; empty: only our own pages. They show a bearer
# token or a ticket. Cookies do not count across origins, so the rules against CSRF stay what they are without this.
CORS_ALLOWED_ORIGINS = read(
    "FRONT_END_ORIGINS",
    origins,
    "",
    expects="origins such as https://app.example.org, comma-separated, each with its scheme and without a path",
)
CORS_ALLOW_CREDENTIALS = False
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
CORS_ALLOW_HEADERS = (
    *("Accept", "Authorization", "Cache-Control", "Content-Type", "Last-Event-ID", "X-Request-ID"),
    *("Tus-Resumable", "Upload-Checksum", "Upload-Concat", "Upload-Defer-Length", "Upload-Length", "Upload-Metadata"),
    *("Upload-Offset", "X-HTTP-Method-Override"),
)
CORS_EXPOSE_HEADERS = (
    *("Content-Disposition", "Location", "Retry-After", "WWW-Authenticate"),
    *("Tus-Checksum-Algorithm", "Tus-Extension", "Tus-Max-Size", "Tus-Resumable", "Tus-Version"),
    *("Upload-Expires", "Upload-Length", "Upload-Metadata", "Upload-Offset"),
)

# --- Work -------------------------------------------------------------------------------------------------------------

PROCESSES = read("PROCESSES", whole(at_least=0), "0", expects="a number of worker processes; 0: one for each core")
BATCHES_AT_ONCE = read("BATCHES_AT_ONCE", whole(at_least=1), "2", expects="a whole number, 1 or more")
MAX_UPLOAD_GB = read("MAX_UPLOAD_GB", whole(at_least=1), "50", expects="a whole number of GB, 1 or more")
# Unfinished ones at a time; each may hold as much of the disk as its file will have.
UPLOADS_PER_USER = read("UPLOADS_PER_USER", whole(at_least=1), "10", expects="a whole number, 1 or more")
# An upload to which nothing is added for so long is ended: over a night, and not for ever.
UPLOAD_KEPT_HOURS = read("UPLOAD_KEPT_HOURS", whole(at_least=1), "24", expects="a whole number of hours, 1 or more")

# After so many days from the end of a batch its ZIP, its result files, its log go; 0: they stay for ever. What was read
# and what people corrected never goes by itself. docs/deploy/retention.md says exactly what each of them takes.
_KEEP_DAYS = "a whole number of days, 1 or more; 0: for ever"
KEEP_ARCHIVES_DAYS = read("KEEP_ARCHIVES_DAYS", whole(at_least=0), "0", expects=_KEEP_DAYS)
KEEP_CSV_DAYS = read("KEEP_CSV_DAYS", whole(at_least=0), "0", expects=_KEEP_DAYS)
KEEP_LOGS_DAYS = read("KEEP_LOGS_DAYS", whole(at_least=0), "0", expects=_KEEP_DAYS)

# --- Seen from outside ------------------------------------------------------------------------------------------------

# Empty: /metrics is open as /healthz is, since it tells nothing of a person or of one batch.
METRICS_TOKEN = read("METRICS_TOKEN", str, "", expects="a long random text, which Prometheus shows as its bearer token")
RUNNER_METRICS_PORT = read(
    "RUNNER_METRICS_PORT", whole(at_least=0, at_most=65535), "0", expects="a port that the runner answers on; 0: none"
)
# Which build this is, told by /metrics: an image sets it, such as to the commit that it was made from.
BUILD = read("BUILD", str, "development", expects="a short text")

# --- Files, language, logs --------------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = True  # no collectstatic before the first run, and no warning that there was none
warnings.filterwarnings("ignore", "No directory at", UserWarning)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# What a browser asks for first and there is; a choice in the header of the pages is kept for a year. Commands, logs and
# the events of the contract speak English.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = HTTPS
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = read("TIME_ZONE", time_zone, "UTC", expects="a time zone such as Europe/Berlin")

LOG_FORMAT = read("LOG_FORMAT", one_of("console", "json"), "console", expects="console or json")
LOG_LEVEL = read(
    "LOG_LEVEL", one_of("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", expects="DEBUG, INFO, WARNING or ERROR"
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"structured": {"()": "omr_project.logs.formatter", "style_name": LOG_FORMAT}},
    # Standard error, so that what a command prints for programs stays clean.
    "handlers": {"stderr": {"class": "logging.StreamHandler", "stream": sys.stderr, "formatter": "structured"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "axes": {"level": "WARNING"},
        # At DEBUG they write down requests with their signatures.
        **{name: {"level": "WARNING"} for name in ("boto3", "botocore", "s3transfer", "urllib3")},
        "daphne": {"level": "WARNING"},
        "django.server": {"level": "WARNING"},
        # Two lines a request are for machines; on a console they would bury what the batches do.
        "django_structlog": {"level": "INFO" if LOG_FORMAT == "json" else "WARNING"},
    },
}
