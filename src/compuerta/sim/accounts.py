"""A town's accounts at providers: our side and theirs, with keys that cost nothing in virtual time."""

from random import Random

from compuerta.adapters.payments.alipay import Alipay, AlipaySettings
from compuerta.adapters.payments.wechat import WechatPay
from compuerta.adapters.payments.wechat_account import WechatSettings
from compuerta.services.payment_ports import PaymentProvider
from compuerta.sim.stage import Stage
from compuerta.virtual.alipay import keys as alipay_keys
from compuerta.virtual.alipay.world import AlipayWorld
from compuerta.virtual.alipay.world import Terms as AlipayTerms
from compuerta.virtual.providers.worlds import World
from compuerta.virtual.wechat import keys as wechat_keys
from compuerta.virtual.wechat.orders import Terms as WechatTerms
from compuerta.virtual.wechat.world import WechatWorld

PUBLIC_URL = "https://pay.example.org"
# The longest wait of either between two tries is over before the calm is.
WECHAT_SPEEDUP, ALIPAY_SPEEDUP = 10, 60
_MCHID, _APPID = "1900000001", "wx0000000000000001"
_APP_ID, _SELLER_ID = "2021000000000001", "2088000000000001"
# What a bad day has of, in a world's own words; on a good day all of it is zero.
MISBEHAVIOUR = ("lost_ppm", "duplicate_ppm", "probe_ppm", "late_ms_max")


def opened(stage: Stage) -> list[tuple[PaymentProvider, World]]:
    """Open an account at each provider; both have the run's bad days."""
    accounts: list[tuple[PaymentProvider, World]] = [_wechat(stage), _alipay(stage)]
    faults = stage.faults
    for _, world in accounts:
        world.behave(
            {
                "lost_ppm": faults.notice_lost_ppm,
                "duplicate_ppm": faults.notice_twice_ppm,
                "probe_ppm": faults.probe_ppm,
                "late_ms_max": faults.notice_late_ms_max,
                "race_on_close": faults.race_on_close,
            }
        )
    return accounts


def calm(world: World) -> None:
    """Give a world a good day."""
    world.behave({**dict.fromkeys(MISBEHAVIOUR, 0), "race_on_close": False})


def _wechat(stage: Stage) -> tuple[WechatPay, WechatWorld]:
    keys, ring = wechat_keys.cheap_keys()
    world = WechatWorld(
        keys=keys,
        terms=WechatTerms(mchid=_MCHID, appid=_APPID, repeat_speedup=WECHAT_SPEEDUP),
        random=Random(stage.chance.randrange(2**32)),
    )
    world.behave({"certificate_ppm": 300_000})
    settings = WechatSettings(
        mchid=_MCHID,
        appid=_APPID,
        merchant_key_pem=b"",
        merchant_serial=keys.merchant_serial,
        api_key=keys.api_key,
        platform_pems={},
        base_url=PUBLIC_URL,
        notify_url=f"{PUBLIC_URL}/notices/wechat",
    )
    return WechatPay(settings, keys=ring), world


def _alipay(stage: Stage) -> tuple[Alipay, AlipayWorld]:
    keys, ring = alipay_keys.cheap_keys()
    terms = AlipayTerms(
        app_id=_APP_ID, seller_id=_SELLER_ID, public_url=PUBLIC_URL, repeat_speedup=ALIPAY_SPEEDUP
    )
    world = AlipayWorld(keys=keys, terms=terms, random=Random(stage.chance.randrange(2**32)))
    world.behave({"gbk_ppm": 200_000, "empty_ppm": 200_000})
    settings = AlipaySettings(
        app_id=_APP_ID,
        seller_id=_SELLER_ID,
        app_key=b"",
        alipay_keys=(),
        base_url=PUBLIC_URL,
        notify_url=f"{PUBLIC_URL}/notices/alipay",
    )
    return Alipay(settings, keys=ring), world
