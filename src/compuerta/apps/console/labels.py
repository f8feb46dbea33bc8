"""Words on screens for the names that rows carry; a name without a word is shown as it is."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

WORDS: Mapping[str, Promise] = MappingProxyType(
    {
        # states of supply
        "on": _("on"),
        "off": _("off"),
        "press": _("waits for the button"),
        "silent": _("silent"),
        # reasons
        "safety_hold": _("safety hold"),
        "administrator_hold": _("switched off by hand"),
        "protected": _("protected supply"),
        "temporary_supply": _("temporary supply"),
        "billing_held": _("readings in doubt: nobody is cut"),
        "out_of_credit": _("out of credit"),
        "in_credit": _("in credit"),
        # roads
        "4g": _("4G"),
        "rs485": _("RS-485"),
        # credit authorities
        "meter": _("credit in the meter"),
        "platform": _("credit in the platform"),
        # instructions
        "recharge": _("recharge"),
        "switch": _("switch"),
        "tariff": _("tariff tables"),
        "waiting": _("waiting"),
        "in_flight": _("on its way"),
        "accepted": _("accepted, not read back yet"),
        "done": _("done"),
        "refused": _("refused by the meter"),
        "superseded": _("replaced by a later wish"),
        # the last answer to an instruction
        "silent_answer": _("no answer"),
        "busy": _("not now"),
        "line_lost": _("line lost"),
        "not_read_back": _("not read back"),
        "refused_by_meter": _("refused by the meter"),
        "password_refused": _("password refused"),
        "customer_number_differs": _("customer number differs"),
        "purchase_number_ahead": _("purchase number is ahead"),
        "purchase_number_behind": _("purchase number is behind"),
        "purchase_record_differs": _("purchase record differs"),
        "purchase_record_missing": _("purchase record missing"),
        "not_provable": _("cannot be proved yet"),
        "clock_unknown": _("clock unknown"),
        "holidays_in": _("holidays loaded"),
        "waits_for_switch": _("loaded, waits for its time"),
        "rest_days_wait": _("rest days wait for a day that both call alike"),
        "switch_time_passed": _("too late for its time"),
        "tariff_does_not_fit": _("the meter cannot hold this tariff"),
        # cases
        "amount_differs": _("paid amount differs from the order"),
        "reference_unknown": _("payment without a known order"),
        "account_closed": _("payment for a closed account"),
        "contradicted": _("a payment was told twice, differently"),
        "recharge_refused": _("meter refused a recharge"),
        "switch_refused": _("meter refused to switch"),
        "register_backwards": _("register ran backwards"),
        "register_jump": _("register jumped"),
        "register_from_the_future": _("reading from the future"),
        "tariff_by_hand": _("tariff to be set by hand"),
        "tariff_late": _("meter without its tariff in time"),
        "intervals_missing": _("a bill waits for missing intervals"),
        # what a meter says of itself
        "pre_trip_alarm": _("warns before cutting"),
        "cover_open": _("cover open"),
        "terminal_cover_open": _("terminal cover open"),
        "keep_power": _("kept on by command"),
        "overdraft": _("overdrawn"),
        "overload": _("overload"),
        "over_current": _("over current"),
        "over_voltage": _("over voltage"),
        "under_voltage": _("under voltage"),
        "reverse_flow": _("reverse flow"),
        "active_reverse": _("reverse flow"),
        "clock_battery_low": _("clock battery low"),
        "backup_battery_low": _("backup battery low"),
        "clock_error": _("clock error"),
        "memory_fault": _("memory fault"),
        "esam_error": _("security chip error"),
        "programming_enabled": _("programming enabled"),
        "power_down": _("power failure"),
        "external_switch": _("external switch"),
        "relay_open": _("relay open"),
        "relay_command_trip": _("opened by command"),
        "trip_delayed": _("cut delayed"),
        # what people did
        "place administrator hold": _("switched off by hand"),
        "lift administrator hold": _("hand switch-off lifted"),
        "release billing": _("billing released"),
        "order recharge": _("recharge ordered"),
        "assign tariff": _("tariff changed"),
        # alarms of meters
        "switch_failure": _("load switch fails"),
        "magnet": _("magnet"),
        "bypass": _("bypass or neutral"),
        "voltage_loss": _("voltage lost"),
        "voltage_unbalance": _("voltages uneven"),
        "current_unbalance": _("currents uneven"),
        "clock_battery": _("battery low"),
        "meter_fault": _("meter fault"),
        "silence": _("meter is silent"),
        "relay_differs": _("relay is not as wanted"),
        "idle_occupied": _("occupied and uses nothing"),
        "step_after_cover": _("uses less since the cover was opened"),
        "use_in_vacancy": _("use in an empty unit"),
        "meter_loss": _("much is lost behind the feeder"),
        "notice": _("notice"),
        "warning": _("warning"),
        "danger": _("danger"),
        "false_alarm": _("false alarm"),
        "repaired": _("repaired"),
        "theft_confirmed": _("theft confirmed"),
        "own_work": _("our own work"),
        "user_told": _("user spoken to"),
        "nothing_found": _("nothing found"),
        "acknowledge alarm": _("alarm looked after"),
        "close alarm": _("alarm closed"),
        "photograph alarm": _("photo of an alarm"),
        "announce maintenance": _("maintenance announced"),
        "cancel maintenance": _("maintenance taken back"),
        "install feeder": _("feeder installed"),
        "feed meters": _("meters behind a feeder changed"),
        # alarms
        "notice_forged": _("forged payment notice"),
        "registration_unknown": _("unknown module dialled in"),
        "meter_number_twice": _("meter number seen twice"),
        "provider_unknown": _("payment from an unknown provider"),
    }
)


# Words of the frame around our screens that its authors left untranslated; listed to be collected.
FRAME = (_("Welcome back to"), _("Light"), _("Dark"), _("System"))


def word(name: str) -> str:
    """Return the word for a row's name in the reader's language."""
    found = WORDS.get(name)
    return name.replace("_", " ") if found is None else str(found)
