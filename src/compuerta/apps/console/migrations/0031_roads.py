"""Roads: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0025."""

    dependencies = (("console", "0030_day_end_walls"),)
    operations = (migrations.RunSQL(migrate.statements(25), migrations.RunSQL.noop),)
