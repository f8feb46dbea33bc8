"""The chart of accounts, and numbered exports: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0021."""

    dependencies = (("console", "0026_bank"),)
    operations = (migrations.RunSQL(migrate.statements(21), migrations.RunSQL.noop),)
