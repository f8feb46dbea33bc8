"""The list of people, for whoever operates the installation."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from unfold.admin import ModelAdmin, StackedInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from compuerta.apps.console.models import ConsoleUser


class Workplace(StackedInline):  # type: ignore[misc]  # unfold ships no types
    """The organisation and language of a person, beside the password."""

    model = ConsoleUser


class PeopleAdmin(UserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]  # unfold ships no types
    """Django's own form for people, in unfold's dress."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines = (Workplace,)


admin.site.unregister([User, Group])
admin.site.register(User, PeopleAdmin)
admin.site.login_template = "console/sign_in.html"
