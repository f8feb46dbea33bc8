"""Django's settings of the console, read from the environment; DEBUG is never on.

`DATABASE_URL`              libpq address of the database
`COMPUERTA_SECRET_KEY`      signs sessions; at least 32 characters
`COMPUERTA_ALLOWED_HOSTS`   names that the console is called by, with commas
`COMPUERTA_PUBLIC_ADDRESS`  how residents reach it, such as https://pay.example.org (https: secure cookies)
`COMPUERTA_SESSION_S`       how long a session lasts at most; 12 hours
`COMPUERTA_SESSION_IDLE_S`  how long it lasts without a click, for who may change anything; 1 hour
"""

import os
from pathlib import Path
from typing import Any

from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from psycopg.conninfo import conninfo_to_dict

_HERE = Path(__file__).parent

SECRET_KEY = os.environ["COMPUERTA_SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = os.environ.get("COMPUERTA_ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")
PUBLIC_ADDRESS = os.environ.get("COMPUERTA_PUBLIC_ADDRESS", "").rstrip("/")
CSRF_TRUSTED_ORIGINS = [PUBLIC_ADDRESS] if PUBLIC_ADDRESS else []
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_ADDRESS.startswith("https://")
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_S_MAX = SESSION_COOKIE_AGE = int(os.environ.get("COMPUERTA_SESSION_S", str(12 * 3600)))
SESSION_IDLE_S_MAX = int(os.environ.get("COMPUERTA_SESSION_IDLE_S", "3600"))
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# A till form has five fields; whoever sends more is nobody's cashier.
DATA_UPLOAD_MAX_MEMORY_SIZE = 65_536

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "compuerta.apps.console",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "compuerta.apps.console.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [_HERE / "templates"],
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


def _database(url: str) -> dict[str, Any]:
    parts = conninfo_to_dict(url)
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    settings: dict[str, Any] = {ours: str(parts.pop(theirs, None) or "") for ours, theirs in names.items()}
    # A screen that waits longer than this waits for somebody who died.
    options = "-c statement_timeout=20s -c timezone=UTC"
    return {"ENGINE": "django.db.backends.postgresql", **settings, "OPTIONS": {**parts, "options": options}}


DATABASE_URL = os.environ["DATABASE_URL"]
DATABASES = {"default": _database(DATABASE_URL)}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = reverse_lazy("sign_in")
LOGIN_REDIRECT_URL = reverse_lazy("dashboard")

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("es", "Español"), ("zh-hans", "中文")]
LOCALE_PATHS = [_HERE / "locale"]
FORMAT_MODULE_PATH = "compuerta.apps.console.formats"
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Compuerta",
    "SITE_HEADER": "Compuerta",
    "SITE_SYMBOL": "bolt",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/console/icon.svg"}],
    "STYLES": ["/static/console/console.css"],
    "SCRIPTS": ["/static/console/console.js"],
    "LOGIN": {"form": "compuerta.apps.console.sign_in.SignInForm"},
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": {
            "50": "oklch(98.4% .014 180.7)", "100": "oklch(95.3% .051 180.8)",
            "200": "oklch(91% .096 180.4)", "300": "oklch(85.5% .138 181)",
            "400": "oklch(77.7% .152 181.9)", "500": "oklch(70.4% .14 182.5)",
            "600": "oklch(56% .118 184.7)", "700": "oklch(48% .096 186.4)",
            "800": "oklch(43.7% .078 188.2)", "900": "oklch(38.6% .063 188.4)",
            "950": "oklch(27.7% .046 192.5)",
        },
    },
    "SIDEBAR": {
        "navigation": [
            {
                "items": [
                    {
                        "title": _("Overview"),
                        "icon": "monitoring",
                        "link": reverse_lazy("dashboard"),
                        "active": lambda request: request.path == "/",
                    },
                    {
                        "title": _("Daily reports"),
                        "icon": "today",
                        "link": reverse_lazy("daily_reports"),
                        "permission": "compuerta.apps.console.people.sees_money",
                    },
                    {"title": _("Floor board"), "icon": "apartment", "link": reverse_lazy("board")},
                    {"title": _("Meters"), "icon": "electric_meter", "link": reverse_lazy("meters")},
                    {
                        "title": _("Alarms"),
                        "icon": "notifications_active",
                        "link": reverse_lazy("alarms"),
                        "badge": "compuerta.apps.console.views.alarms.unseen",
                        "badge_variant": "primary",
                    },
                    {"title": _("Days"), "icon": "event_available", "link": reverse_lazy("days")},
                    {"title": _("Losses"), "icon": "account_tree", "link": reverse_lazy("losses")},
                    {
                        "title": _("Till"),
                        "icon": "point_of_sale",
                        "link": reverse_lazy("till"),
                        "permission": "compuerta.apps.console.people.may_sell",
                    },
                    {
                        "title": _("Suspense"),
                        "icon": "pending",
                        "link": reverse_lazy("suspense"),
                        "permission": "compuerta.apps.console.people.sees_money",
                    },
                    {
                        "title": _("Corrections"),
                        "icon": "balance",
                        "link": reverse_lazy("corrections"),
                        "permission": "compuerta.apps.console.people.sees_money",
                    },
                    {
                        "title": _("Cases"),
                        "icon": "help_center",
                        "link": reverse_lazy("cases"),
                        "permission": "compuerta.apps.console.people.sees_money",
                    },
                ]
            },
            {
                "title": _("Roads"),
                "separator": True,
                "items": [
                    {"title": _("Roads board"), "icon": "cell_tower", "link": reverse_lazy("roads")},
                    {
                        "title": _("Commissioning"),
                        "icon": "construction",
                        "link": reverse_lazy("commissioning"),
                        "permission": "compuerta.apps.console.people.may_commission",
                    },
                    {
                        "title": _("Virtual meters"),
                        "icon": "bug_report",
                        "link": reverse_lazy("virtual_meters"),
                        "permission": "compuerta.apps.console.people.may_play",
                    },
                    {
                        "title": _("Adviser"),
                        "icon": "route",
                        "link": reverse_lazy("plans"),
                        "permission": "compuerta.apps.console.people.may_commission",
                    },
                ],
            },
            {
                "title": _("Books"),
                "separator": True,
                "items": [
                    {
                        "title": _("Drift"),
                        "icon": "difference",
                        "link": reverse_lazy("drifts"),
                        "permission": "compuerta.apps.console.people.sees_money",
                    },
                    {
                        "title": _("Owner statement"),
                        "icon": "domain",
                        "link": reverse_lazy("owner_statement"),
                        "permission": "compuerta.apps.console.people.sees_money",
                    },
                    {
                        "title": _("Statements"),
                        "icon": "receipt_long",
                        "link": reverse_lazy("statements"),
                        "permission": "compuerta.apps.console.people.sees_all_money",
                    },
                    {
                        "title": _("Bank"),
                        "icon": "account_balance",
                        "link": reverse_lazy("bank"),
                        "permission": "compuerta.apps.console.people.sees_all_money",
                    },
                    {
                        "title": _("Months"),
                        "icon": "calendar_month",
                        "link": reverse_lazy("months"),
                        "permission": "compuerta.apps.console.people.sees_all_money",
                    },
                    {
                        "title": _("Sealed journal"),
                        "icon": "anchor",
                        "link": reverse_lazy("anchors"),
                        "permission": "compuerta.apps.console.people.sees_money",
                    },
                    {
                        "title": _("Chart of accounts"),
                        "icon": "format_list_numbered",
                        "link": reverse_lazy("chart"),
                        "permission": "compuerta.apps.console.people.sees_money",
                    },
                    {
                        "title": _("Invoices"),
                        "icon": "request_quote",
                        "link": reverse_lazy("invoices"),
                        "permission": "compuerta.apps.console.people.sees_all_money",
                    },
                    {
                        "title": _("Exports"),
                        "icon": "ios_share",
                        "link": reverse_lazy("exports"),
                        "permission": "compuerta.apps.console.people.sees_money",
                    },
                ]
            },
            {
                "separator": True,
                "items": [
                    {"title": _("Tariffs"), "icon": "price_change", "link": reverse_lazy("tariffs")},
                    {
                        "title": _("Operations"),
                        "icon": "checklist",
                        "link": reverse_lazy("operations"),
                        "permission": "compuerta.apps.console.people.sees_operations",
                    },
                    {"title": _("Warnings"), "icon": "notifications", "link": reverse_lazy("warnings")},
                    {"title": _("Supply policies"), "icon": "rule", "link": reverse_lazy("policies")},
                    {"title": _("QR stickers"), "icon": "qr_code_2", "link": reverse_lazy("stickers")},
                    {
                        "title": _("People"),
                        "icon": "group",
                        "link": reverse_lazy("people"),
                        "permission": "compuerta.apps.console.people.may_grant",
                    },
                    {
                        "title": _("Webhooks"),
                        "icon": "webhook",
                        "link": reverse_lazy("webhooks"),
                        "permission": "compuerta.apps.console.people.may_grant",
                    },
                    {
                        "title": _("Audit"),
                        "icon": "history",
                        "link": reverse_lazy("audit"),
                        "permission": "compuerta.apps.console.people.may_audit",
                    },
                    {"title": _("My sign-in"), "icon": "key", "link": reverse_lazy("me")},
                    {
                        "title": _("All sign-ins"),
                        "icon": "shield_person",
                        "link": reverse_lazy("admin:auth_user_changelist"),
                        "permission": "compuerta.apps.console.people.may_administer",
                    },
                ]
            }
        ]
    },
}  # fmt: skip
