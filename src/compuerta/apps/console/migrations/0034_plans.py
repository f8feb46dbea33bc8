"""Plans: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0028."""

    dependencies = (("console", "0033_commissions"),)
    operations = (migrations.RunSQL(migrate.statements(28), migrations.RunSQL.noop),)
