"""Who may move accounts from one tariff to another."""

from django.db import migrations


class Migration(migrations.Migration):
    """This will add the right; whoever manages people grants them."""

    dependencies = (("console", "0004_tariff_rights"),)
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
                    ("assign_tariff", "May move accounts to another tariff"),
                ),
            },
        ),
    )
