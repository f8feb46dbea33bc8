"""The app door: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0012."""

    dependencies = (("console", "0017_claims"),)
    operations = (migrations.RunSQL(migrate.statements(12), migrations.RunSQL.noop),)
