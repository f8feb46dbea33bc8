"""The walls between organisations: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0008."""

    dependencies = (("console", "0010_access"),)
    operations = (migrations.RunSQL(migrate.statements(8), migrations.RunSQL.noop),)
