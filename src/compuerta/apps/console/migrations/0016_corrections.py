"""Corrections: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0010."""

    dependencies = (("console", "0015_orders"),)
    operations = (migrations.RunSQL(migrate.statements(10), migrations.RunSQL.noop),)
