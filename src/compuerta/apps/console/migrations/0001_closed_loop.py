"""The domain's own tables: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0001."""

    initial = True
    dependencies = ()
    operations = (migrations.RunSQL(migrate.statements(1), migrations.RunSQL.noop),)
