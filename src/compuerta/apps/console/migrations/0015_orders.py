"""Orders: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0009."""

    dependencies = (("console", "0014_wrong_codes"),)
    operations = (migrations.RunSQL(migrate.statements(9), migrations.RunSQL.noop),)
