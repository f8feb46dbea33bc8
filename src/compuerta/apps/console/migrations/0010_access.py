"""Access: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0007."""

    dependencies = (("console", "0009_messages"),)
    operations = (migrations.RunSQL(migrate.statements(7), migrations.RunSQL.noop),)
