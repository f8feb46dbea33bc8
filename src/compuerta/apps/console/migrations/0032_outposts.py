"""Outposts: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0026."""

    dependencies = (("console", "0031_roads"),)
    operations = (migrations.RunSQL(migrate.statements(26), migrations.RunSQL.noop),)
