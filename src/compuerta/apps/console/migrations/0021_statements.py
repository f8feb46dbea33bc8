"""Statements: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0015."""

    dependencies = (("console", "0020_receipts"),)
    operations = (migrations.RunSQL(migrate.statements(15), migrations.RunSQL.noop),)
