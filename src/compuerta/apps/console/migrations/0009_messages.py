"""Messages: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0006."""

    dependencies = (("console", "0008_alarms"),)
    operations = (migrations.RunSQL(migrate.statements(6), migrations.RunSQL.noop),)
