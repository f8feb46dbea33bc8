"""The walls of payments: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0016."""

    dependencies = (("console", "0021_statements"),)
    operations = (migrations.RunSQL(migrate.statements(16), migrations.RunSQL.noop),)
