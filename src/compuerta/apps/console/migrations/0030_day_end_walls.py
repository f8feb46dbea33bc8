"""The walls of the day's end: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0024."""

    dependencies = (("console", "0029_reports"),)
    operations = (migrations.RunSQL(migrate.statements(24), migrations.RunSQL.noop),)
