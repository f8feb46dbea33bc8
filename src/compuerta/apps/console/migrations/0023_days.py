"""Days, freezes and roll-forwards: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0017."""

    dependencies = (("console", "0022_payment_walls"),)
    operations = (migrations.RunSQL(migrate.statements(17), migrations.RunSQL.noop),)
