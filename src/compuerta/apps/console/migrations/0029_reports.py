"""Daily reports, and statements: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0023."""

    dependencies = (("console", "0028_invoices"),)
    operations = (migrations.RunSQL(migrate.statements(23), migrations.RunSQL.noop),)
