"""The words of statements and of as-of, in English, Spanish and Chinese: on paper and on screens alike."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from compuerta.domain.contact import Language

# What the word is for: in English, Spanish and Chinese.
_WORDS: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        # Months of accounts.
        "resident_title": ("Account statement", "Extracto de cuenta", "账户对账单"),
        "owner_title": ("Owner's statement", "Liquidación al propietario", "业主对账单"),
        "all_sites": ("All sites", "Todos los recintos", "全部园区"),
        "so_far": (
            "This month is not over: the figures are as of {at}.",
            "El mes no ha terminado: las cifras son a {at}.",
            "本月尚未结束：数据截至 {at}。",
        ),
        "disagrees": (
            "Something was booked into these days after they were closed: {days}.",
            "Se contabilizó algo en estos días después de cerrarlos: {days}.",
            "以下日期结转后又有入账：{days}。",
        ),
        "days_missing": (
            "Days of which the use is not known, and which are left blank: {count}.",
            "Días cuyo consumo no se conoce y que quedan en blanco: {count}.",
            "{count} 天的用电量未知，留空。",
        ),
        "opening": ("Opening balance", "Saldo inicial", "期初余额"),
        "recharged": ("Recharges", "Recargas", "充值"),
        "charged": ("Use", "Consumo", "电费"),
        "adjusted": ("Adjustments", "Ajustes", "调整"),
        "closing": ("Closing balance", "Saldo final", "期末余额"),
        "undelivered": (
            "{amount} of it on its way to the meter",
            "{amount} en camino al contador",
            "其中 {amount} 正在下发电表",
        ),
        "energy": ("Energy", "Energía", "用电量"),
        "energy_by_day": ("Energy by day", "Energía por día", "每日用电量"),
        "days": ("Day by day", "Día a día", "每日明细"),
        "days_note": (
            "Opening + recharges + adjustments - use = closing. ≈: a register was supposed. "
            "Days of which there is nothing to tell are left out.",
            "Saldo inicial + recargas + ajustes - consumo = saldo final. ≈: lectura supuesta. "
            "Se omiten los días sin movimientos ni lecturas.",
            "期初 + 充值 + 调整 - 电费 = 期末。≈：读数为估算。无记录的日期已省略。",
        ),
        "day": ("Day", "Día", "日期"),
        "when": ("When", "Cuándo", "时间"),
        "way": ("Paid by", "Forma de pago", "支付方式"),
        "reference": ("Reference", "Referencia", "订单号"),
        "paid": ("Paid", "Pagado", "实付"),
        "credit": ("Credit", "Crédito", "入账"),
        "parts": ("Of which", "Desglose", "明细"),
        "given": ("Given or placed", "Abonado", "转入"),
        "what": ("What", "Qué", "事项"),
        "amount": ("Amount", "Importe", "金额"),
        "sum": ("Sum", "Total", "合计"),
        "debts": ("Owed from before", "Deudas anteriores", "历史欠费"),
        "added": ("Added", "Añadido", "新增"),
        "recovered": ("Recovered by recharges", "Recuperado con recargas", "充值扣回"),
        "written_off": ("Written off", "Condonado", "核销"),
        # What postings were.
        "reversal": ("Reversal", "Anulación", "冲正"),
        "deposit": ("Deposit", "Fianza", "押金"),
        "settlement": ("Settled when moving", "Liquidación por mudanza", "迁移结算"),
        "carried": ("Carried to a new meter", "Traspaso al nuevo contador", "换表结转"),
        "debt": ("Debt", "Deuda", "欠费"),
        "withdrawal": ("Taken back from the meter", "Retirado del contador", "电表退回"),
        "refund": ("Given back", "Devolución", "退款"),
        "dispute": ("Disputed payment", "Pago disputado", "支付争议"),
        "write_off": ("Written off", "Condonado", "核销"),
        "placement": ("Placed", "Asignado", "归位"),
        "recharge": ("Recharge", "Recarga", "充值"),
        # Months of sites.
        "owed_opening": ("Held at the beginning", "Retenido al inicio", "期初代管"),
        "owed_closing": ("Owed to the owner", "A favor del propietario", "应付业主"),
        "owed_note": (
            "held by providers, tills and the safe, and not paid out yet",
            "en proveedores, cajas y caja fuerte, aún no liquidado",
            "由支付渠道、收银台和保险柜代管，尚未划付",
        ),
        "money_held": ("Money held for the owner", "Dinero retenido", "代管资金"),
        "money_held_note": (
            "What is held at the beginning and everything that moved it is what is held at the end.",
            "Lo retenido al inicio y todo lo que lo movió es lo retenido al final.",
            "期初代管与全部变动之和即期末代管。",
        ),
        "where": ("Where", "Dónde", "渠道"),
        "received": ("Received", "Cobrado", "收款"),
        "deposits": ("Deposits, moves", "Fianzas, mudanzas", "押金与迁移"),
        "given_back": ("Given back", "Devuelto", "退款"),
        "disputed": ("Disputed", "Disputado", "争议"),
        "fees": ("Provider fees", "Comisiones", "渠道费"),
        "paid_out": ("Paid out", "Liquidado", "划付"),
        "drawers": ("Between drawers", "Entre cajas", "钱箱调拨"),
        "other": ("Other", "Otros", "其他"),
        "safe": ("Safe", "Caja fuerte", "保险柜"),
        "items": ("Charges by item", "Cargos por concepto", "收费项目"),
        "item": ("Item", "Concepto", "项目"),
        "borne": ("Fees, gifts and losses", "Comisiones, bonificaciones y pérdidas", "费用与损失"),
        "revenue:energy": ("Energy", "Energía", "电量电费"),
        "revenue:fixed": ("Standing charges", "Cargos fijos", "固定费用"),
        "revenue:demand": ("Demand", "Potencia", "需量电费"),
        "revenue:minimum": ("Minimum", "Mínimo", "最低消费"),
        "fee": ("Service fees", "Comisiones de servicio", "服务费"),
        "tax": ("Taxes", "Impuestos", "税费"),
        "levy": ("Levies", "Gravámenes", "附加费"),
        "subsidy": ("Subsidies", "Subvenciones", "补贴"),
        "provider_fee": ("Provider fees", "Comisiones de proveedores", "渠道手续费"),
        "goodwill": ("Credit given", "Crédito bonificado", "赠送"),
        "over_short": ("Drawers over or short", "Descuadres de caja", "长短款"),
        "accounts": ("Accounts", "Cuentas", "账户"),
        "account": ("Account", "Cuenta", "账户"),
        "place": ("Place", "Lugar", "房间"),
        "customer": ("Customer", "Cliente", "用户"),
        "meter": ("Meter", "Contador", "电表"),
        "suspense": ("Not placed yet", "Pendiente de asignar", "待归位"),
        "vacant_places": ("Vacant places", "Lugares vacíos", "空置房间"),
        "days_vacant": ("Whole days", "Días completos", "整天数"),
        "losses": ("Losses behind feeders", "Pérdidas tras los alimentadores", "总表损耗"),
        "feeder": ("Feeder", "Alimentador", "总表"),
        "fed": ("Fed", "Suministrado", "供电量"),
        "used": ("Measured behind it", "Medido detrás", "下级计量"),
        "loss": ("Loss", "Pérdida", "损耗"),
        "missing_accounts": (
            "Days on which the use of some accounts is not known: {count}.",
            "Días en los que no se conoce el consumo de algunas cuentas: {count}.",
            "{count} 天中有部分账户用电量未知。",
        ),
        # Pictures.
        "use_day": ("Use by the hour", "Consumo por hora", "每小时用电量"),
        "use_week": ("Use of a week", "Consumo de una semana", "一周用电量"),
        "use_month": ("Use of a month", "Consumo de un mes", "一月用电量"),
        "use_year": ("Use of a year", "Consumo de un año", "一年用电量"),
        "known_use": ("What is known of it", "Lo que se conoce", "已知用电量"),
        "unknown_note": (
            "Hatched: supposed, or known in part. Blank: not known, which is not zero.",
            "Rayado: supuesto o conocido en parte. En blanco: no se conoce, que no es cero.",
            "斜线：估算或部分已知。空白：未知，并非为零。",
        ),
        # As of.
        "asof_title": ("As of an instant", "A una fecha y hora", "历史时点"),
        "not_yet": (
            "The account did not exist yet: it was opened at {at}.",
            "La cuenta aún no existía: se abrió el {at}.",
            "当时账户尚未开立：开户时间为 {at}。",
        ),
        "was_closed": (
            "The account was closed already, at {at}.",
            "La cuenta ya estaba cerrada, desde el {at}.",
            "当时账户已销户：{at}。",
        ),
        "believed": ("What we believed then", "Lo que creíamos entonces", "当时的认知"),
        "known_now": ("What we know now", "Lo que sabemos ahora", "现在的认知"),
        "in_books": ("Balance in the books", "Saldo en los libros", "账面余额"),
        "in_force": ("of it in force", "de ello en vigor", "其中已到账"),
        "on_its_way": ("of it on its way", "de ello en camino", "其中在途"),
        "later_recharged": (
            "paid by then, booked later", "pagado entonces, contabilizado después", "当时已付、后来入账",
        ),
        "later_charged": (
            "used by then, booked later", "consumido entonces, contabilizado después", "当时已用、后来入账",
        ),
        "meter_told": ("What the meter had told", "Lo que el contador había dicho", "电表已报"),
        "register": ("Register", "Registro", "电量示数"),
        "meter_balance": ("Balance in the meter", "Saldo en el contador", "表内余额"),
        "relay": ("Relay", "Relé", "继电器"),
        "open": ("open: no supply", "abierto: sin suministro", "断开：无电"),
        "permitted": ("press to switch on", "pulsar para conectar", "待按键合闸"),
        "closed": ("closed: supply on", "cerrado: con suministro", "闭合：有电"),
        "nothing_told": ("not known", "no se sabe", "未知"),
        "supply": ("Supply, and why", "Suministro, y por qué", "供电及原因"),
        "wanted_on": ("on", "encendido", "通电"),
        "wanted_off": ("off", "apagado", "断电"),
        "since": ("since {at}", "desde {at}", "自 {at} 起"),
        "tariff": ("Tariff", "Tarifa", "电价"),
        "version": ("version {number}", "versión {number}", "第 {number} 版"),
        "decided_later": (
            "decided later, at {at}", "decidida después, el {at}", "后来于 {at} 才批准",
        ),
        "price": ("Price of a kWh", "Precio del kWh", "每千瓦时单价"),
        "up_to": ("up to {energy}", "hasta {energy}", "至 {energy}"),
        "holds": ("Holds", "Bloqueos", "限制"),
        "until": ("until {at}", "hasta {at}", "至 {at}"),
        "pending": ("On its way to the meter then", "En camino al contador entonces", "当时在途指令"),
        "ended": ("ended {at}", "terminó {at}", "{at} 结束"),
        "still_open": ("still open", "sigue abierta", "仍未结束"),
        "switch": ("Switch", "Conmutación", "通断"),
        "freeze": ("Last freeze before", "Último cierre diario anterior", "此前最近冻结"),
        "occupant": ("Who lived there", "Quién vivía allí", "当时住户"),
        "nobody": ("nobody", "nadie", "无人"),
        "none": ("none", "ninguno", "无"),
        "owed": ("Owed from before", "Deuda anterior", "历史欠费"),
        # What a freeze rests on: as the page of a day says it.
        "basis_meter": ("the meter's own midnight", "la medianoche del propio contador", "电表零点冻结"),
        "basis_reading": ("a reading at midnight", "una lectura a medianoche", "零点抄表"),
        "basis_provisional": ("supposed", "estimado", "估算"),
        "basis_missing": ("not known", "no se sabe", "未知"),
        "basis_held": ("held until somebody looks", "retenido hasta que alguien lo mire", "待人工核实"),
        "not_told": ("the meter has not told it yet", "el contador aún no lo ha dicho", "电表尚未回答"),
        "not_frozen": ("the meter keeps nothing of this midnight",
                       "el contador no guarda nada de esta medianoche", "电表没有该零点的冻结"),
        "frozen_at_another_time": ("its clock was set over midnight",
                                   "su reloj se ajustó saltando la medianoche", "校时越过了零点"),
        "clock_off": ("its clock was wrong", "su reloj iba mal", "时钟不准"),
        "register_backwards": ("its register ran backwards", "su registro retrocedió", "表底倒走"),
        "register_jump": ("its register jumped", "su registro dio un salto", "表底突跳"),
        # Why supply was on or off, and holds, beside those that `wording` has.
        "in_credit": ("in credit", "con saldo", "余额充足"),
        "protected": ("protected supply", "suministro protegido", "保电"),
        "temporary_supply": ("temporary supply", "suministro temporal", "临时供电"),
        "billing_held": ("readings in doubt", "lecturas en duda", "读数存疑"),
        "emergency_credit": ("emergency credit", "crédito de emergencia", "应急电费"),
        "friendly_hours": ("friendly hours", "horas amables", "友好时段"),
        "payment_in_flight": ("somebody was paying", "había un pago en curso", "正在付款"),
        "last_chance": ("last chance before a cut", "última oportunidad antes del corte", "停电前最后通知"),
        "look_first": ("looked at once more before a cut", "se comprueba antes del corte", "停电前复核"),
        "safety": ("safety", "seguridad", "安全原因"),
        "overload": ("overload", "sobrecarga", "过载"),
        "administrator": ("administration", "administración", "管理方"),
        "temporary": ("temporary supply", "suministro temporal", "临时供电"),
    }
)  # fmt: skip
WORDS: Final[Mapping[Language, Mapping[str, str]]] = MappingProxyType(
    {
        language: MappingProxyType({name: words[at] for name, words in _WORDS.items()})
        for at, language in enumerate((Language.ENGLISH, Language.SPANISH, Language.CHINESE))
    }
)


def word(name: str, *, language: Language) -> str:
    """Return a word of statements; a name that has none is said as it is."""
    return WORDS[language].get(name, name.replace("_", " "))
