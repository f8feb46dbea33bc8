"""The walls of roads: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0029."""

    dependencies = (("console", "0034_plans"),)
    operations = (migrations.RunSQL(migrate.statements(29), migrations.RunSQL.noop),)
