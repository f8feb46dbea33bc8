"""Words and rights of devices at the broker, and the addresses at which a broker is found."""

from dataclasses import replace

import pytest

from compuerta.adapters.links.mqtt_client import BrokerUrlMalformed, broker_at
from compuerta.apps.broker_files import PLATFORM, DeviceNameUnfit, word_lines, words_of
from compuerta.apps.config import SettingMalformed, settings
from compuerta.domain.party import Bearer, RoadKind
from compuerta.services.records import Endpoint

SECRET = bytes(32)
END = Endpoint(
    endpoint_id="e", organisation_id=1, road=RoadKind.MOBILE_4G, bearer=Bearer.MQTT, address="mq-1"
)


def test_every_device_behind_the_broker_has_a_word_of_its_own() -> None:
    other = replace(END, endpoint_id="f", address="mq-2")
    serial = replace(END, endpoint_id="g", address="/dev/bus", bearer=Bearer.SERIAL)

    words = words_of([END, other, serial], secret=SECRET)

    assert words.keys() == {PLATFORM, "mq-1", "mq-2"}
    assert len(set(words.values())) == 3


def test_a_key_that_is_taken_back_gives_another_word_and_leaves_all_others() -> None:
    before = words_of([END], secret=SECRET)
    after = words_of([replace(END, key_generation=2)], secret=SECRET)

    assert after["mq-1"] != before["mq-1"]
    assert after[PLATFORM] == before[PLATFORM]


@pytest.mark.parametrize("name", ["a/b", "+", "#", "", "a b", "a:b", "a" * 65, "a\nuser b", PLATFORM])
def test_a_name_that_would_mean_more_than_one_device_is_refused(name: str) -> None:
    with pytest.raises(DeviceNameUnfit):
        words_of([replace(END, address=name)], secret=SECRET)


def test_a_line_shows_no_word() -> None:
    [line] = word_lines({"mq-1": "secret"}).splitlines()

    assert line.startswith("mq-1:$7$101$")
    assert "secret" not in line


@pytest.mark.parametrize(
    "url",
    [
        "http://broker",
        "mqtt://",
        "mqtt://broker:port",
        "mqtt://broker/topic",
        "mqtt://broker?qos=2",
        "mqtts://broker?ca=/there/is/none.pem",
        "mqtt://bro ker",
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(BrokerUrlMalformed):
        broker_at(url)
    with pytest.raises(SettingMalformed) as refused:
        settings({"COMPUERTA_MQTT_URL": url.replace("//", "//user:pa55@", 1)})
    assert "pa55" not in str(refused.value)


def test_an_address_is_read_with_what_is_usual() -> None:
    broker = broker_at("mqtt://us%2Fer:pass%40word@broker")

    assert (broker.host, broker.port, broker.tls) == ("broker", 1883, None)
    assert (broker.user, broker.password) == ("us/er", "pass@word")
    assert broker_at("mqtts://broker").port == 8883
    assert broker_at("mqtts://broker").tls is not None
