"""Who had the console's permissions before there were roles keeps exactly what they had."""

import json
import os
import subprocess
import sys

import psycopg
import pytest
from psycopg import sql
from tests.conftest import url_of

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

TIMEOUT_S = 60
# As the release before left it; the permissions that its models declared are rows.
_BEFORE_AND_AFTER = """
import json, django
django.setup()
from django.core.management import call_command
from django.db import connection
call_command("migrate", "auth", verbosity=0)
call_command("migrate", "console", "0011_walls", verbosity=0)
names = ["sell_recharge", "switch_supply", "draft_tariff", "approve_tariff", "assign_tariff"]
with connection.cursor() as cursor:
    cursor.execute('''
        insert into organisation (name) values ('Casa');
        insert into django_content_type (app_label, model) values ('console', 'consoleuser')
            on conflict do nothing;
        insert into auth_user (username, password, is_superuser, is_staff, is_active, first_name, last_name,
                email, date_joined)
            select name, '', name = 'root', true, true, '', '', '', now()
            from unnest('{all,root,none,some}'::text[]) as name;
    ''')
    cursor.execute('''
        insert into auth_permission (name, codename, content_type_id)
        select code, code, t.id from unnest(%s::text[]) as code, django_content_type t
        where t.model = 'consoleuser' on conflict do nothing''', [names])
    for user, held in (("all", names), ("root", []), ("none", []), ("some", names[:2])):
        cursor.execute('''
            insert into console_user (user_id, organisation_id, language)
            select id, 1, 'es' from auth_user where username = %s''', [user])
        cursor.execute('''
            insert into auth_user_user_permissions (user_id, permission_id)
            select u.id, p.id from auth_user u, auth_permission p
            where u.username = %s and p.codename = any(%s)''', [user, held])
call_command("migrate", verbosity=0)
with connection.cursor() as cursor:
    cursor.execute("select g.user_name, g.role, r.rights from role_grant g left join role r using (role)")
    held = {name: [role, rights] for name, role, rights in cursor.fetchall()}
    cursor.execute("select count(*) from auth_permission where codename = any(%s)", [names])
    left = cursor.fetchone()[0]
print(json.dumps({"held": held, "left": left}))
"""


def test_permissions_become_grants(postgres_server: str, worker_id: str) -> None:
    name = f"grants_{worker_id}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    environment = {
        **os.environ,
        "DATABASE_URL": url_of(postgres_server, name),
        "COMPUERTA_SECRET_KEY": "a secret that only these tests know, 52 long",
        "DJANGO_SETTINGS_MODULE": "compuerta.apps.console.settings",
        "PYTHONPATH": "src:.",
    }

    ran = subprocess.run(
        [sys.executable, "-c", _BEFORE_AND_AFTER],
        env=environment,
        check=True,
        timeout=TIMEOUT_S,
        stdout=subprocess.PIPE,
    )

    told = json.loads(ran.stdout)
    assert told["left"] == 0
    assert told["held"] == {
        "all": ["owner", None],
        "root": ["owner", None],
        "none": ["see, see_money", ["see", "see_money"]],
        "some": ["see, see_money, sell, switch", ["see", "see_money", "sell", "switch"]],
    }
