"""Occupancy: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0004."""

    dependencies = (("console", "0006_supply"),)
    operations = (migrations.RunSQL(migrate.statements(4), migrations.RunSQL.noop),)
