"""Invoices under numbers: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0022."""

    dependencies = (("console", "0027_exports"),)
    operations = (migrations.RunSQL(migrate.statements(22), migrations.RunSQL.noop),)
