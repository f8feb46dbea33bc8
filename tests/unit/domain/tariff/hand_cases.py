"""Figures that can be reckoned by hand: steps, rounding, vending, changes, clocks, moves, divisions."""

from typing import Any, Final

CASES: Final[dict[str, Any]] = {
    "X1": {
        "tiers": [["30", "0.05"], ["100", "0.09"], [None, "0.13"]],
        "expected": [
            {"kwh": "0", "slab": "0.000000", "graduated": "0.000000"},
            {"kwh": "29.999", "slab": "1.499950", "graduated": "1.499950"},
            {"kwh": "30", "slab": "1.500000", "graduated": "1.500000"},
            {"kwh": "30.001", "slab": "2.700090", "graduated": "1.500090"},
            {"kwh": "99.5", "slab": "8.955000", "graduated": "7.755000"},
            {"kwh": "100", "slab": "9.000000", "graduated": "7.800000"},
            {"kwh": "100.001", "slab": "13.000130", "graduated": "7.800130"},
            {"kwh": "250", "slab": "32.500000", "graduated": "27.300000"},
        ],
    },
    "X2": {
        "lines": [["285.041", "0.4883"], ["299.376", "1.0885"], ["55.565", "0.2913"], ["111.690", "0.6532"]],
        "expected": {
            "line_amounts": ["139.19", "325.87", "16.19", "72.96"],
            "net_round_lines": "554.21",
            "vat_round_lines": "72.05",
            "gross_round_lines": "626.26",
            "net_exact": "554.1982888",
            "net_round_total": "554.20",
            "gross_round_total": "626.24",
            "net_round_total_then_vat": "626.25",
            "gross_half_even": "626.24",
        },
    },
    "X2b": {
        "expected": [
            {"gross": "100.00", "net": "86.96", "vat": "13.04"},
            {"gross": "50.00", "net": "43.48", "vat": "6.52"},
            {"gross": "10.00", "net": "8.70", "vat": "1.30"},
            {"gross": "0.01", "net": "0.01", "vat": "0.00"},
            {"gross": "199.99", "net": "173.90", "vat": "26.09"},
        ]
    },
    "X3": {
        "steps": [["350", "1.6934"], ["600", "2.2811"], [None, "2.9447"]],
        "vat": "0.15",
        "expected": [
            {
                "gross": "200.00",
                "bought_this_month": "0",
                "arrears": "0",
                "share": "0",
                "arrears_taken": "0.00",
                "net_of_vat_exact": "4000/23",
                "kwh_exact": "102.700509",
                "kwh_token": "102.7",
                "fbe_kwh_added": "50",
                "units_total": "152.7",
                "unspent_net": "0.000863",
            },
            {
                "gross": "200.00",
                "bought_this_month": "320",
                "arrears": "0",
                "share": "0",
                "arrears_taken": "0.00",
                "net_of_vat_exact": "4000/23",
                "kwh_exact": "83.970033",
                "kwh_token": "83.9",
                "fbe_kwh_added": "0",
                "units_total": "83.9",
                "unspent_net": "0.159753",
            },
            {
                "gross": "1000.00",
                "bought_this_month": "320",
                "arrears": "0",
                "share": "0",
                "arrears_taken": "0.00",
                "net_of_vat_exact": "20000/23",
                "kwh_exact": "364.384900",
                "kwh_token": "364.3",
                "fbe_kwh_added": "0",
                "units_total": "364.3",
                "unspent_net": "0.250007",
            },
            {
                "gross": "100.00",
                "bought_this_month": "599.9",
                "arrears": "500.00",
                "share": "0.25",
                "arrears_taken": "25.00",
                "net_of_vat_exact": "1500/23",
                "kwh_exact": "22.169915",
                "kwh_token": "22.1",
                "fbe_kwh_added": "0",
                "units_total": "22.1",
                "unspent_net": "0.205881",
            },
            {
                "gross": "100.00",
                "bought_this_month": "0",
                "arrears": "10.00",
                "share": "0.50",
                "arrears_taken": "10.00",
                "net_of_vat_exact": "1800/23",
                "kwh_exact": "46.215229",
                "kwh_token": "46.2",
                "fbe_kwh_added": "0",
                "units_total": "46.2",
                "unspent_net": "0.025789",
            },
            {
                "gross": "5.00",
                "bought_this_month": "0",
                "arrears": "0",
                "share": "0",
                "arrears_taken": "0.00",
                "net_of_vat_exact": "100/23",
                "kwh_exact": "2.567512",
                "kwh_token": "2.5",
                "fbe_kwh_added": "0",
                "units_total": "2.5",
                "unspent_net": "0.114326",
            },
            {
                "gross": "0.10",
                "bought_this_month": "0",
                "arrears": "0",
                "share": "0",
                "arrears_taken": "0.00",
                "net_of_vat_exact": "2/23",
                "kwh_exact": "0.051350",
                "kwh_token": "0",
                "fbe_kwh_added": "50",
                "units_total": "50",
                "unspent_net": "0.086956",
            },
        ],
    },
    "X4": {
        "old": [["100", "1.0"], [None, "1.5"]],
        "new": [["120", "1.1"], [None, "1.7"]],
        "expected": {
            "continue_accumulation": "201.500000",
            "reset_at_change": "174.500000",
            "prorated_thresholds_14_17_of_31": "204.435484",
        },
    },
    "X5": {
        "expected": {
            "2026-03-29": {
                "start_utc": "2026-03-28T23:00:00+00:00",
                "hours": 23,
                "kwh_by_period_weekend_rule": [23, 0, 0],
                "kwh_by_period_if_every_day_is_workday": [7, 8, 8],
            },
            "2026-10-25": {
                "start_utc": "2026-10-24T22:00:00+00:00",
                "hours": 25,
                "kwh_by_period_weekend_rule": [25, 0, 0],
                "kwh_by_period_if_every_day_is_workday": [9, 8, 8],
            },
            "2026-03-30": {
                "start_utc": "2026-03-29T22:00:00+00:00",
                "hours": 24,
                "kwh_by_period_weekend_rule": [8, 8, 8],
                "kwh_by_period_if_every_day_is_workday": [8, 8, 8],
            },
        }
    },
    "X6": {
        "expected": {
            "fixed_prorated": "10.00",
            "threshold_prorated_kwh": "32.258065",
            "energy_prorated": "43.870968",
            "energy_not_prorated": "40.000000",
        }
    },
    "X7": {
        "expected": [
            {"amount": "20.00", "emergency_repaid": "5.00", "debt_taken": "4.50", "credit_added": "10.50"},
            {"amount": "3.00", "emergency_repaid": "3.00", "debt_taken": "0.00", "credit_added": "0.00"},
            {"amount": "6.00", "emergency_repaid": "5.00", "debt_taken": "1.00", "credit_added": "0.00"},
            {"amount": "100.00", "emergency_repaid": "0", "debt_taken": "12.50", "credit_added": "87.50"},
        ]
    },
    "X8": {
        "expected": [
            {"wh": 0, "amount": "0.000000"},
            {"wh": 1, "amount": "0.001000"},
            {"wh": 99999, "amount": "99.999000"},
            {"wh": 100000, "amount": "100.000000"},
            {"wh": 100001, "amount": "100.001500"},
            {"wh": 200000, "amount": "250.000000"},
        ]
    },
}
