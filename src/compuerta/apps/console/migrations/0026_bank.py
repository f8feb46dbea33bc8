"""Bank statements, and what they are tied to: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0020."""

    dependencies = (("console", "0025_periods"),)
    operations = (migrations.RunSQL(migrate.statements(20), migrations.RunSQL.noop),)
