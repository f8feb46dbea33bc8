"""The console's addresses."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from compuerta.apps.console import screens
from compuerta.apps.console.views import (
    board,
    charges,
    dashboard,
    meters,
    operations,
    pay,
    stickers,
    tariff_editor,
    tariff_moves,
    tariff_replay,
    tariffs,
    till,
)

handler500 = screens.broken

urlpatterns = [
    path("", dashboard.page, name="dashboard"),
    path("live", dashboard.live, name="dashboard_live"),
    path("sign-in", screens.sign_in, name="sign_in"),
    path("language", screens.speak, name="speak"),
    path("board/", board.page, name="board"),
    path("operations/", operations.listing, name="operations"),
    path("operations/new", operations.new, name="operation_new"),
    path("operations/<uuid:operation_id>/", operations.page, name="operation"),
    path("operations/<uuid:operation_id>/live", operations.live, name="operation_live"),
    path("operations/<uuid:operation_id>/<str:verb>", operations.act, name="operation_act"),
    path("meters/", meters.listing, name="meters"),
    path("meters/<int:meter_id>/", meters.page, name="meter"),
    path("meters/<int:meter_id>/live", meters.live, name="meter_live"),
    path("meters/<int:meter_id>/hold", meters.hold, name="meter_hold"),
    path("meters/<int:meter_id>/lift", meters.lift, name="meter_lift"),
    path("meters/<int:meter_id>/tariff", tariff_moves.of_meter, name="meter_tariff"),
    path("meters/<int:meter_id>/charges/<uuid:charge_id>/", charges.page, name="charge"),
    path("till/", till.find, name="till"),
    path("till/<int:meter_id>/", till.sale, name="till_sale"),
    path("till/<int:meter_id>/quote", till.quote, name="till_quote"),
    path("till/<int:meter_id>/receipts/<uuid:attempt_id>/", till.receipt, name="till_receipt"),
    path("till/<int:meter_id>/receipts/<uuid:attempt_id>/live", till.receipt_live, name="till_receipt_live"),
    path("tariffs/", tariffs.listing, name="tariffs"),
    path("tariffs/new", tariffs.new, name="tariff_new"),
    path("tariffs/<int:tariff_id>/move", tariff_moves.of_tariff, name="tariff_move"),
    path("tariffs/<int:tariff_id>/<int:version_no>/", tariffs.page, name="tariff_version"),
    path("tariffs/<int:tariff_id>/<int:version_no>/edit", tariff_editor.page, name="tariff_edit"),
    path("tariffs/<int:tariff_id>/<int:version_no>/check", tariff_editor.checked, name="tariff_check"),
    path("tariffs/<int:tariff_id>/<int:version_no>/save", tariff_editor.saved, name="tariff_save"),
    path("tariffs/<int:tariff_id>/<int:version_no>/replay", tariff_replay.page, name="tariff_replay"),
    path("tariffs/<int:tariff_id>/<int:version_no>/<str:verb>", tariffs.decide, name="tariff_decide"),
    path("stickers/", stickers.sheet, name="stickers"),
    path("p/<uuid:pay_token>", pay.page, name="pay"),
    path("p/<uuid:pay_token>/cost", charges.cost, name="pay_cost"),
    path("p/<uuid:pay_token>/days/<str:day>", charges.paid, name="pay_day"),
    path("p/<uuid:pay_token>/orders/<uuid:attempt_id>", pay.order, name="pay_order"),
    path("p/<uuid:pay_token>/attempts/<uuid:attempt_id>", pay.status, name="pay_status"),
    path("p/<str:pay_token>", pay.unknown, name="pay_unknown"),
    # unfold's frame links to the list of people's own start and sign-in: they are ours.
    path("admin/", RedirectView.as_view(pattern_name="dashboard")),
    path("admin/login/", RedirectView.as_view(pattern_name="sign_in")),
    path("admin/", admin.site.urls),
]
