"""Receipts: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0014."""

    dependencies = (("console", "0019_till"),)
    operations = (migrations.RunSQL(migrate.statements(14), migrations.RunSQL.noop),)
