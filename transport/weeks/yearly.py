"""How the metrics of representative weeks become those of the year, by system."""

from __future__ import annotations

#: Of every system. ``sum`` = over the weeks x their weight, ``max``, ``at:`` and the metric whose largest week it is taken from, or the name of the
#: metric of the week that the mean is weighted by.
_COMMON: dict[str, str] = {
    "grid_kwh": "sum",
    "peak_kw": "max",
    "loss_share": "grid_kwh",
    "electricity_cny_per_kwh": "grid_kwh",
    "peak_period_share": "grid_kwh",
    "valley_share": "grid_kwh",
    "peak_response_share": "grid_kwh",
    "evening_kw": "max",
    "evening_kw_unmanaged": "max",
    # of the evening whose load it leaves out: in another week the response may be larger, and the three would not belong together
    "evening_response_kw": "at:evening_kw_unmanaged",
}
_OWN: dict[str, dict[str, str]] = {
    "bus_depot": {
        "blocks": "sum",
        "km": "sum",
        "energy_kwh_per_km": "km",
        "served_share": "blocks",
        "beyond_battery_share": "blocks",
        "missed_blocks": "sum",
        "late_blocks": "sum",
        "unserved_kwh": "sum",
        "battery_kwh": "sum",
        "cycles_per_vehicle": "sum",
        "delayed_share": "blocks",
        "wait_mean_min": "blocks",
        "wait_p95_min": "max",
        "delay_p95_min": "max",
        "plug_utilisation": "grid_kwh",
        "energy_kwh_per_km_resistive": "km",
        "energy_kwh_per_km_heat_pump": "km",
        "energy_kwh_per_km_fuel_heater": "km",
        "peak_bound_kw": "max",
        "peak_gap_share": "grid_kwh",
        "bill_cny_per_month": "max",
        "terminus_share": "grid_kwh",
    },
    "taxi_city": {
        "km": "sum",
        "energy_kwh_per_km": "km",
        "lost_km_share": "km",
        "dead_km": "sum",
        "dead_km_share": "km",
        "charges_per_day": "km",
        "wait_mean_min": "charges_per_day",
        "detour_hours_per_day": "km",
        "queue_hours_per_day": "km",
        "charging_hours_per_day": "km",
        "hours_at_stations_per_day": "km",
        "lost_hours_per_day": "km",
        "stock_outs": "sum",
        "stock_out_share": "charges_per_day",
        "swap_share_of_charges": "charges_per_day",
        "swap_wait_mean_min": "charges_per_day",
        "towed": "sum",
        "stock_outs_unmanaged": "sum",
        "stock_out_share_unmanaged": "charges_per_day",
        "lost_km_share_unmanaged": "km",
        "lost_hours_per_day_unmanaged": "km",
        "towed_unmanaged": "sum",
    },
    "airport": {
        "turnarounds": "sum",
        "turbine_fuel_t": "sum",
        "ground_power_kwh": "sum",
        "ground_power_kwh_accounts": "sum",
        "turbine_fuel_t_accounts": "sum",
        "equipment_kwh": "sum",
        "missed_share": "turnarounds",
        "ground_power_share": "turnarounds",
        "turbine_h": "sum",
        "turbine_fuel_without_t": "sum",
        "turbine_saved_t": "sum",
        "mobile_power_kwh": "sum",
        "deiced": "sum",
        "deicing_kwh": "sum",
        "delay_min": "sum",
        "missed_task_share": "turnarounds",
        "delayed_share": "turnarounds",
        "delay_mean_min": "turnarounds",
        "delay_p95_min": "max",
        "plug_utilisation": "turnarounds",
        "electric_task_share": "turnarounds",
        "turbine_saved_kg_per_turnaround": "turnarounds",
        "overnight_missed_share": "turnarounds",
        "overnight_delay_mean_min": "turnarounds",
        "overnight_peak_kw": "max",
        "delay_air_unit_min": "sum",
        "delay_apron_bus_min": "sum",
        "delay_baggage_tractor_min": "sum",
        "delay_belt_loader_min": "sum",
        "delay_catering_truck_min": "sum",
        "delay_container_loader_min": "sum",
        "delay_deicing_truck_min": "sum",
        "delay_fuel_truck_min": "sum",
        "delay_ground_power_unit_min": "sum",
        "delay_service_truck_min": "sum",
        "delay_tug_min": "sum",
    },
    "truck_corridor": {
        "visits": "sum",
        "lost": "sum",
        "visits_served_share": "visits",
        "plug_visits": "sum",
        "swap_visits": "sum",
        "lng_visits": "sum",
        "hydrogen_visits": "sum",
        "plug_lost": "sum",
        "swap_lost": "sum",
        "swap_lost_unmanaged": "sum",
        "swap_served_share_unmanaged": "swap_visits",
        "lng_lost": "sum",
        "hydrogen_lost": "sum",
        "plug_stored_kwh": "sum",
        "swap_stored_kwh": "sum",
        "lng_fuel_t": "sum",
        "hydrogen_fuel_t": "sum",
        "plug_unserved_kwh": "sum",
        "swap_unserved_kwh": "sum",
        "lng_unserved_t": "sum",
        "hydrogen_unserved_t": "sum",
        "plug_served_share": "plug_visits",
        "swap_served_share": "swap_visits",
        "lng_served_share": "lng_visits",
        "hydrogen_served_share": "hydrogen_visits",
        "plug_wait_mean_min": "plug_visits",
        "swap_wait_mean_min": "swap_visits",
        "lng_wait_mean_min": "lng_visits",
        "hydrogen_wait_mean_min": "hydrogen_visits",
        "plug_queue_peak_hour": "max",
        "swap_queue_peak_hour": "max",
        "lng_queue_peak_hour": "max",
        "hydrogen_queue_peak_hour": "max",
        "plug_wait_p95_min": "max",
        "swap_wait_p95_min": "max",
        "lng_wait_p95_min": "max",
        "hydrogen_wait_p95_min": "max",
        "plug_share_of_trucks": "max",
        "swap_share_of_trucks": "max",
        "lng_share_of_trucks": "max",
        "hydrogen_share_of_trucks": "max",
    },
    "shore_power": {
        "calls": "sum",
        "calls_berthed": "sum",
        "berth_kwh": "sum",
        "shore_power_kwh": "sum",
        "shore_power_kwh_accounts": "sum",
        "shore_power_kwh_full_compliance": "sum",
        "auxiliary_fuel_t": "sum",
        "co2_difference_t": "sum",
        "co2_difference_t_full_compliance": "sum",
        "anchorage_fuel_t": "sum",
        "throughput_t": "sum",
        "turned_away": "sum",
        "peak_kw_full_compliance": "max",
        "shore_power_energy_share": "berth_kwh",
        "shore_power_calls_share": "calls_berthed",
        "shore_power_all_calls_share": "calls_berthed",
        "unequipped_ship_share": "calls_berthed",
        "unequipped_berth_share": "calls_berthed",
        "short_stay_share": "calls_berthed",
        "not_used_share": "calls_berthed",
        "out_of_order_share": "calls_berthed",
        "no_connection_share": "calls_berthed",
        "cancelled_share": "calls",
        "berth_occupancy": "quay_m",
        "throughput_t_per_m": "quay_m",
        "anchorage_wait_mean_h": "calls",
        "anchorage_wait_p95_h": "max",
        "quay_m": "max",
        "in_accounts": "max",
        "shore_connections": "max",
    },
}
#: Sums of the year of one vehicle: they do not add up over places.
_PER_VEHICLE = frozenset({"cycles_per_vehicle"})
#: Maxima over the weeks that add up over places: loads at one and the same hour, and what does not change from week to week.
_AT_ONCE = frozenset({"evening_kw", "evening_kw_unmanaged", "evening_response_kw", "quay_m", "shore_connections"})


def weighted_by(metric: str, rule: str) -> str:
    """Return the metric by which the places of a week are weighted where a metric does not add up.

    Parameters
    ----------
    metric
        Its name.
    rule
        Of :func:`yearly_rules`.
    """
    return metric if rule in {"sum", "max"} or rule.startswith("at:") else rule


def yearly_rules(system: str) -> dict[str, str]:
    """Return metric -> how a week's value becomes the year's; metrics without a rule have no year.

    Parameters
    ----------
    system
        A simulated system.
    """
    return {**_COMMON, **_OWN.get(system, {})}


def extensive(system: str) -> frozenset[str]:
    """Return the metrics of a system that add up over sites and places.

    Parameters
    ----------
    system
        A simulated system.
    """
    sums = {metric for metric, rule in yearly_rules(system).items() if rule == "sum"}
    return frozenset((sums - _PER_VEHICLE) | _AT_ONCE)
