"""The till: the numbered SQL, run as it is written."""

from django.db import migrations

from compuerta.adapters.postgres import migrate


class Migration(migrations.Migration):
    """This will apply schema file 0013."""

    dependencies = (("console", "0018_app_door"),)
    operations = (migrations.RunSQL(migrate.statements(13), migrations.RunSQL.noop),)
