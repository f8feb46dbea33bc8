"""Months of the books: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0019."""

    dependencies = (("console", "0024_seals"),)
    operations = (migrations.RunSQL(migrate.statements(19), migrations.RunSQL.noop),)
