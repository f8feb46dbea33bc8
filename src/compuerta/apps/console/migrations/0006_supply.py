"""Supply: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0003."""

    dependencies = (("console", "0005_assign_right"),)
    operations = (migrations.RunSQL(migrate.statements(3), migrations.RunSQL.noop),)
