"""Rights become grants: who had all five owns the organisation, who had some keeps those and sees."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.db import migrations

from compuerta.domain.access import Right, Role

RIGHTS = {
    "sell_recharge": Right.SELL,
    "switch_supply": Right.SWITCH,
    "draft_tariff": Right.DRAFT_TARIFF,
    "approve_tariff": Right.APPROVE_TARIFF,
    "assign_tariff": Right.ASSIGN_TARIFF,
}
_PEOPLE = """
select u.username, c.organisation_id, u.is_superuser, array(
    select p.codename::text from auth_user_user_permissions h
    join auth_permission p on p.id = h.permission_id
    join django_content_type t on t.id = p.content_type_id
    where h.user_id = u.id and t.app_label = 'console' and t.model = 'consoleuser'
)
from auth_user u join console_user c on c.user_id = u.id
where not exists (select from role_grant g where g.user_name = u.username)
order by u.username
"""


def _grant_what_was_held(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(_PEOPLE)
        for name, organisation_id, superuser, held in cursor.fetchall():
            role = Role.OWNER.value
            if not superuser and set(held) != set(RIGHTS):
                # Until now everybody of an organisation saw all of it.
                rights = {Right.SEE, Right.SEE_MONEY, *(RIGHTS[each] for each in held)}
                values = sorted(right.value for right in rights)
                role = ", ".join(values)
                cursor.execute(
                    "insert into role (organisation_id, role, rights) values (%s, %s, %s)"
                    " on conflict do nothing",
                    [organisation_id, role, values],
                )
            cursor.execute(
                """insert into role_grant (grant_id, organisation_id, user_name, role, granted_by, granted_at)
                values (%s, %s, %s, %s, 'the installation', %s)""",
                [uuid4(), organisation_id, name, role, datetime.now(UTC)],
            )
        cursor.execute(
            """with gone as (
                select p.id from auth_permission p join django_content_type t on t.id = p.content_type_id
                where t.app_label = 'console' and t.model = 'consoleuser' and p.codename = any(%s)
            ), of_people as (
                delete from auth_user_user_permissions where permission_id in (select id from gone)
            ), of_groups as (
                delete from auth_group_permissions where permission_id in (select id from gone)
            )
            select from gone""",
            [list(RIGHTS)],
        )
        cursor.execute(
            """delete from auth_permission p using django_content_type t where t.id = p.content_type_id
            and t.app_label = 'console' and t.model = 'consoleuser' and p.codename = any(%s)""",
            [list(RIGHTS)],
        )


class Migration(migrations.Migration):
    """This will turn the console's permissions into grants, and forget them."""

    dependencies = (
        ("console", "0011_walls"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    )
    operations = (
        migrations.RunPython(_grant_what_was_held, migrations.RunPython.noop),
        migrations.AlterModelOptions(
            name="consoleuser",
            options={
                "verbose_name": "workplace",
                "verbose_name_plural": "workplaces",
                "default_permissions": (),
            },
        ),
    )
