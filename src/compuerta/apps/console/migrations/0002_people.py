"""The console's own tables: who works where, and failed sign-ins."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """This will make what the console keeps of its own."""

    initial = True

    dependencies = (
        ("console", "0001_closed_loop"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    )

    operations = (
        migrations.CreateModel(
            name="Organisation",
            fields=[
                ("organisation_id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.TextField()),
            ],
            options={
                "verbose_name": "organisation",
                "verbose_name_plural": "organisations",
                "db_table": "organisation",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="SignInFailure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=150)),
                ("at", models.DateTimeField(db_index=True)),
            ],
            options={
                "db_table": "console_sign_in_failure",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ConsoleUser",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "language",
                    models.CharField(
                        choices=[("en", "English"), ("es", "Español"), ("zh-hans", "中文")],
                        default="en",
                        max_length=10,
                        verbose_name="language",
                    ),
                ),
                (
                    "organisation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        to="console.organisation",
                        verbose_name="organisation",
                    ),
                ),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="console",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "workplace",
                "verbose_name_plural": "workplaces",
                "db_table": "console_user",
                "permissions": (
                    ("sell_recharge", "May sell recharges at the till"),
                    ("switch_supply", "May switch supply by hand"),
                ),
                "default_permissions": (),
            },
        ),
    )
