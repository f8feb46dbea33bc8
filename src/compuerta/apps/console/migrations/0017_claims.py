"""Claims: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0011."""

    dependencies = (("console", "0016_corrections"),)
    operations = (migrations.RunSQL(migrate.statements(11), migrations.RunSQL.noop),)
