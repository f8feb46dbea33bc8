"""The tamper-evident journal: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0018."""

    dependencies = (("console", "0023_days"),)
    operations = (migrations.RunSQL(migrate.statements(18), migrations.RunSQL.noop),)
