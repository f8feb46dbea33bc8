"""Our words: what is told, in English, Spanish and Chinese. `wording` says which fields each may have."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from compuerta.domain.contact import Language

_EN, _ES, _ZH = Language.ENGLISH, Language.SPANISH, Language.CHINESE

# (what, language) -> (subject, body)
OURS: Final[Mapping[tuple[str, Language], tuple[str, str]]] = MappingProxyType(
    {
        ("warning", _EN): (
            "{place}: {balance} left",
            "{place}: {balance} of electricity left. Used up: {zero_at}. Top up: {pay_link}",
        ),
        ("warning", _ES): (
            "{place}: quedan {balance}",
            "{place}: quedan {balance} de electricidad. Se agota: {zero_at}. Recargar: {pay_link}",
        ),
        ("warning", _ZH): (
            "{place}：余额 {balance}",
            "{place}：电费余额 {balance}，预计用完时间：{zero_at}。充值：{pay_link}",
        ),
        ("last_chance", _EN): (
            "{place}: supply ends {until}",
            "{place}: the credit is used up ({balance}). Supply ends {until}. Top up to keep it: {pay_link}",
        ),
        ("last_chance", _ES): (
            "{place}: corte el {until}",
            "{place}: saldo agotado ({balance}). Corte el {until}. Recargue para evitarlo: {pay_link}",
        ),
        ("last_chance", _ZH): (
            "{place}：{until} 停电",
            "{place}：余额已用完（{balance}）。将于 {until} 停电。请立即充值：{pay_link}",
        ),
        ("cut", _EN): (
            "{place}: supply is switched off",
            "{place}: supply is switched off: {reason}. Balance: {balance}. Your page: {pay_link}",
        ),
        ("cut", _ES): (
            "{place}: suministro cortado",
            "{place}: se corta el suministro: {reason}. Saldo: {balance}. Su página: {pay_link}",
        ),
        ("cut", _ZH): (
            "{place}：已停电",
            "{place}：已停电，原因：{reason}。余额 {balance}。查询与充值：{pay_link}",
        ),
        ("restored", _EN): (
            "{place}: supply is on again",
            "{place}: supply is on again. Balance: {balance}.",
        ),
        ("restored", _ES): (
            "{place}: vuelve el suministro",
            "{place}: vuelve el suministro. Saldo: {balance}.",
        ),
        ("restored", _ZH): ("{place}：已恢复供电", "{place}：已恢复供电。余额 {balance}。"),
        ("emergency", _EN): (
            "{place}: emergency credit",
            "{place}: emergency credit of {amount} is in use. Balance: {balance}. "
            "The next payment repays it first: {pay_link}",
        ),
        ("emergency", _ES): (
            "{place}: crédito de emergencia",
            "{place}: se usa el crédito de emergencia de {amount}. Saldo: {balance}. "
            "La próxima recarga lo devuelve primero: {pay_link}",
        ),
        ("emergency", _ZH): (
            "{place}：应急电费",
            "{place}：正在使用应急电费 {amount}。余额 {balance}。下次充值将优先归还：{pay_link}",
        ),
        ("temporary", _EN): (
            "{place}: temporary supply until {until}",
            "{place}: supply is on for a time, until {until}. Balance: {balance}.",
        ),
        ("temporary", _ES): (
            "{place}: suministro temporal hasta el {until}",
            "{place}: hay suministro temporal hasta el {until}. Saldo: {balance}.",
        ),
        ("temporary", _ZH): (
            "{place}：临时供电至 {until}",
            "{place}：临时供电至 {until}。余额 {balance}。",
        ),
        ("payment", _EN): (
            "{place}: {amount} received",
            "{place}: {amount} received. Balance: {balance}. Receipt: {receipt_link}",
        ),
        ("payment", _ES): (
            "{place}: recibidos {amount}",
            "{place}: recibidos {amount}. Saldo: {balance}. Recibo: {receipt_link}",
        ),
        ("payment", _ZH): (
            "{place}：收到 {amount}",
            "{place}：已收到 {amount}，余额 {balance}。收据：{receipt_link}",
        ),
        ("welcome", _EN): (
            "{place}: welcome",
            "Welcome to {place}. Balance, use and top-ups for your electricity are here: {pay_link}",
        ),
        ("welcome", _ES): (
            "{place}: bienvenida",
            "Le damos la bienvenida a {place}. Saldo, consumo y recargas de electricidad: {pay_link}",
        ),
        ("welcome", _ZH): ("{place}：欢迎入住", "欢迎入住 {place}。电费余额、用量与充值：{pay_link}"),
        ("alarm", _EN): ("{severity}: {alarm}, {place}", "{severity}: {alarm}. {place}, {at}."),
        ("alarm", _ES): ("{severity}: {alarm}, {place}", "{severity}: {alarm}. {place}, {at}."),
        ("alarm", _ZH): ("{severity}：{alarm}，{place}", "{severity}：{alarm}。{place}，{at}。"),
        ("daily_report", _EN): (
            "{place}, {day}: {energy}, {received} received",
            "{note}{place}, {day}: {energy} used, {charged} charged, {received} received. "
            "Meters missing: {missing}. Alarms: {alarms}. Anchor: {anchor}. {report_link}",
        ),
        ("daily_report", _ES): (
            "{place}, {day}: {energy}, recibidos {received}",
            "{note}{place}, {day}: consumo {energy}, cargado {charged}, recibidos {received}. "
            "Contadores sin dato: {missing}. Alarmas: {alarms}. Ancla: {anchor}. {report_link}",
        ),
        ("daily_report", _ZH): (
            "{place} {day}：用电 {energy}，收款 {received}",
            "{note}{place} {day}：用电 {energy}，扣费 {charged}，收款 {received}。"
            "缺数电表：{missing}，告警：{alarms}，锚点：{anchor}。{report_link}",
        ),
        ("confirm", _EN): (
            "{code} is your code",
            "{code} confirms that messages about {place} come here. Nobody will ask you for it.",
        ),
        ("confirm", _ES): (
            "{code} es su código",
            "{code} confirma que los avisos de {place} llegan aquí. Nadie se lo pedirá.",
        ),
        ("confirm", _ZH): ("验证码 {code}", "验证码 {code}，用于确认在此接收 {place} 的通知。请勿告知他人。"),
    }
)  # fmt: skip
WEEKDAYS: Final[Mapping[Language, tuple[str, ...]]] = MappingProxyType(
    {
        _EN: ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        _ES: ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
        _ZH: ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
    }
)
MONTHS: Final[Mapping[Language, tuple[str, ...]]] = MappingProxyType(
    {
        _EN: (
            "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
            "November", "December",
        ),
        _ES: (
            "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
            "noviembre", "diciembre",
        ),
        _ZH: tuple(f"{month}月" for month in range(1, 13)),
    }
)  # fmt: skip
# Why supply is off, by `supply.Reason`.
REASONS: Final[Mapping[Language, Mapping[str, str]]] = MappingProxyType(
    {
        _EN: {
            "out_of_credit": "the credit is used up",
            "safety_hold": "safety",
            "overload_lock": "too much was drawn at once",
            "administrator_hold": "held by the administration",
            "vacancy": "nobody lives here",
        },
        _ES: {
            "out_of_credit": "saldo agotado",
            "safety_hold": "seguridad",
            "overload_lock": "demasiada potencia a la vez",
            "administrator_hold": "retenido por la administración",
            "vacancy": "vivienda vacía",
        },
        _ZH: {
            "out_of_credit": "余额已用完",
            "safety_hold": "安全原因",
            "overload_lock": "用电超负荷",
            "administrator_hold": "管理方停电",
            "vacancy": "房间空置",
        },
    }
)
# What alarms are about, by `alarms.AlarmKind`, and how bad they are, by `alarms.Severity`.
ALARMS: Final[Mapping[Language, Mapping[str, str]]] = MappingProxyType(
    {
        _EN: {},  # the names are English
        _ES: {
            "danger": "Peligro", "warning": "Aviso", "notice": "Nota",
            "terminal_cover_open": "tapa de bornes abierta", "switch_failure": "fallo del interruptor",
            "cover_open": "tapa abierta", "reverse_flow": "corriente inversa", "magnet": "imán",
            "bypass": "derivación", "over_current": "sobrecorriente", "overload": "sobrecarga",
            "voltage_loss": "falta de tensión", "under_voltage": "tensión baja",
            "over_voltage": "sobretensión", "voltage_unbalance": "desequilibrio de tensión",
            "current_unbalance": "desequilibrio de corriente", "clock_battery": "pila del reloj",
            "clock_drift": "reloj desajustado",
            "meter_fault": "avería del contador", "silence": "sin respuesta",
            "relay_differs": "el relé no está como debe", "idle_occupied": "sin consumo en vivienda ocupada",
            "step_after_cover": "cambio de consumo tras abrir la tapa",
            "use_in_vacancy": "consumo en vivienda vacía", "meter_loss": "pérdidas en la línea",
        },
        _ZH: {
            "danger": "危险", "warning": "警告", "notice": "提示",
            "terminal_cover_open": "端钮盒盖打开", "switch_failure": "负荷开关故障", "cover_open": "表盖打开",
            "reverse_flow": "电流反向", "magnet": "磁场干扰", "bypass": "旁路用电", "over_current": "过流",
            "overload": "过载", "voltage_loss": "失压", "under_voltage": "欠压", "over_voltage": "过压",
            "voltage_unbalance": "电压不平衡", "current_unbalance": "电流不平衡", "clock_battery": "时钟电池",
            "clock_drift": "时钟偏差",
            "meter_fault": "电表故障", "silence": "无应答", "relay_differs": "继电器状态不符",
            "idle_occupied": "有人居住但无用电", "step_after_cover": "开盖后用电突变",
            "use_in_vacancy": "空置房间用电", "meter_loss": "线路损耗",
        },
    }
)  # fmt: skip
