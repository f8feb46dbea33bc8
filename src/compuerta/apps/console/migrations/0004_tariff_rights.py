"""Who may write tariffs, and who may approve them."""

from django.db import migrations


class Migration(migrations.Migration):
    """This will add the two rights; whoever manages people grants them."""

    dependencies = (("console", "0003_tariffs"),)
    operations = (
        migrations.AlterModelOptions(
            name="consoleuser",
            options={
                "verbose_name": "workplace",
                "verbose_name_plural": "workplaces",
                "default_permissions": (),
                "permissions": (
                    ("sell_recharge", "May sell recharges at the till"),
                    ("switch_supply", "May switch supply by hand"),
                    ("draft_tariff", "May draft and propose tariffs"),
                    ("approve_tariff", "May approve tariffs that others proposed"),
                ),
            },
        ),
    )
