"""Alarms: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0005."""

    dependencies = (("console", "0007_occupancy"),)
    operations = (migrations.RunSQL(migrate.statements(5), migrations.RunSQL.noop),)
