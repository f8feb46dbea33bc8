"""Wrong codes in a row are counted, beside a right password."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """This will add the count to second factors."""

    dependencies = (("console", "0013_sign_in"),)
    operations = (migrations.AddField("secondfactor", "failures", models.PositiveIntegerField(default=0)),)
