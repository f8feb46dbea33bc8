"""Commissioning: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0027."""

    dependencies = (("console", "0032_outposts"),)
    operations = (migrations.RunSQL(migrate.statements(27), migrations.RunSQL.noop),)
