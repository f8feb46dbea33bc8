"""Tariffs, and what is billed by them: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0002."""

    dependencies = (("console", "0002_people"),)
    operations = (migrations.RunSQL(migrate.statements(2), migrations.RunSQL.noop),)
