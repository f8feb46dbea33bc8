"""Words: what residents are told, in the organisation's own words or in ours, and how it reads."""

from dataclasses import dataclass
from uuid import uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from compuerta.apps import wiring
from compuerta.apps.console import histories, people, screens, warning_reads, work
from compuerta.apps.console.people import Person, for_people
from compuerta.apps.console.views.meters import act_id_of
from compuerta.domain import wording
from compuerta.domain.access import Place, Right
from compuerta.domain.contact import Language
from compuerta.domain.errors import Refused, Unreachable
from compuerta.domain.wording import FIELDS, TemplateFaulty, Told
from compuerta.services import rewording
from compuerta.services.message_port import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One kind of message in one language."""

    told: str
    language: str
    subject: str
    body: str
    is_own: bool


@for_people
def listing(request: HttpRequest, person: Person) -> HttpResponse:
    """Show all messages in the reader's language, ours and the organisation's own."""
    own = warning_reads.words_of(person.organisation_id)
    language = _language(request.GET.get("language", "") or request.LANGUAGE_CODE)
    values = {
        "language": language.value,
        "all_languages": [each.value for each in Language],
        "words": [_words(own, told, language) for told in Told],
    }
    return screens.show(request, person, "words", values, title=_("Words"))


@for_people
def page(request: HttpRequest, person: Person, name: str, language: str) -> HttpResponse:
    """Show one message with its fields; write the organisation's own words when the form comes back."""
    told, spoken = _told(name), _language(language)
    may = person.may(Right.WARN, Place(organisation_id=person.organisation_id))
    words = _words(warning_reads.words_of(person.organisation_id), told, spoken)
    error = field = ""
    if request.method == "POST":
        if not may:
            raise PermissionDenied
        words = Words(
            told=name,
            language=language,
            subject=request.POST.get("subject", ""),
            body=request.POST.get("body", "").replace("\r\n", "\n"),
            is_own=True,
        )
        try:
            _write(request, person, words, spoken)
            messages.success(request, _("Written. What is told from now on is told so."))
            return redirect("words")
        except TemplateFaulty as faulty:
            error, field = screens.told(faulty), faulty.field
        except (Refused, Unreachable) as refusal:
            error = screens.told(refusal)
    values = {
        "words": words,
        "fields": [f"{{{each}}}" for each in FIELDS[told]],
        "may": may,
        "error": error,
        "field": field,
        "act_id": uuid4(),
    }
    status = 422 if error else 200
    return screens.show(request, person, "word", values, title=_("Words"), status=status)


def _write(request: HttpRequest, person: Person, words: Words, language: Language) -> None:
    act_id = act_id_of(request)
    actor = people.actor(request, person, why=request.POST.get("why", "").strip()[:500] or "words")
    if histories.was_done(person.organisation_id, act_id):
        return
    template = Template(
        organisation_id=person.organisation_id,
        name=words.told,
        language=language,
        subject=words.subject,
        body=words.body,
        changed_by=person.name,
        changed_at=wiring.now(),
    )
    if "ours" in request.POST:
        work.run(lambda store: rewording.use_ours(store, template, actor=actor, audit_id=act_id))
    else:
        work.run(lambda store: rewording.reword(store, template, actor=actor, audit_id=act_id))


def _words(own: object, told: Told, language: Language) -> Words:
    assert isinstance(own, dict)
    found = own.get((told.value, language))
    subject, body = found or wording.ours(told, language)
    return Words(
        told=told.value, language=language.value, subject=subject, body=body, is_own=found is not None
    )


def _told(name: str) -> Told:
    try:
        return Told(name)
    except ValueError:
        raise Http404 from None


def _language(code: str) -> Language:
    try:
        return Language(code)
    except ValueError:
        raise Http404 from None
