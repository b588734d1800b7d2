"""Blocks from GTFS: a small timetable by hand, in a folder and in a zip file, and what is wrong with a broken one."""

import zipfile

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fleets import simulate_depot
from fleets.formats import FormatError, read_gtfs_blocks
from fleets.gtfs import great_circle_km

# four stops on the equator, 0.1 degrees (11.119 km) apart
LEG_KM = 2.0 * np.pi * 6371.0088 / 3600.0
FILES = {
    "stops": "stop_id,stop_lat,stop_lon\nA,0,0\nB,0,0.1\nC,0,0.2\nD,0,0.3\n",
    "routes": "route_id,route_type\nR1,3\nR2,0\n",
    "trips": "route_id,service_id,trip_id,block_id\nR1,WK,t1,\nR1,WK,t2,\nR1,WK,t3,\nR2,WK,t4,tram\nR2,WK,t5,tram\nR1,SU,t6,\n",
    "stop_times": (
        "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
        "t1,06:00:00,06:00:00,A,1\nt1,,,B,2\nt1,06:40:00,06:40:00,C,3\n"
        "t2,06:50:00,06:50:00,C,1\nt2,07:30:00,07:30:00,A,2\n"
        "t3,06:43:00,06:43:00,C,1\nt3,07:20:00,07:20:00,A,2\n"
        "t4,23:30:00,23:30:00,A,10\nt4,23:50:00,23:50:00,B,20\n"
        "t5,24:10:00,24:10:00,B,1\nt5,25:00:30,25:00:30,A,2\n"
        "t6,08:00:00,08:00:00,A,1\nt6,08:30:00,08:30:00,D,2\n"
    ),
    "calendar": (
        "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
        "WK,1,1,1,1,1,0,0,20240506,20240512\nSU,0,0,0,0,0,0,1,20240506,20240512\n"
    ),
}


def feed(folder, **changed):
    for name, text in (FILES | changed).items():
        if text is not None:
            (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def test_the_day_with_most_trips_by_hand(tmp_path):
    blocks = read_gtfs_blocks(feed(tmp_path))
    rows = {r["block_id"]: r for r in blocks.iter_rows(named=True)}
    # t1 stands at C from 6:40; t3 at 6:43 comes before its layover of 5 minutes is over, t2 at 6:50 takes it
    assert set(rows) == {"R1:1", "R1:2", "tram"}
    assert (rows["R1:1"]["start_min"], rows["R1:1"]["end_min"], rows["R1:1"]["trips"]) == (360.0, 450.0, 2)
    assert (rows["R1:2"]["start_min"], rows["R1:2"]["trips"]) == (403.0, 1)
    assert rows["R1:1"]["km"] == pytest.approx(4.0 * LEG_KM)
    # the block of the timetable runs over midnight, on rails
    assert (rows["tram"]["start_min"], rows["tram"]["end_min"], rows["tram"]["vehicle_type"]) == (1410.0, 1500.5, "tram")
    assert blocks["start_min"].is_sorted()


def test_shorter_layover_dates_routes_and_deadheads(tmp_path):
    folder = feed(tmp_path)
    assert read_gtfs_blocks(folder, min_layover_min=3.0)["trips"].to_list() == [2, 1, 2]
    sunday = read_gtfs_blocks(folder, service_date="2024-05-12", deadhead_km=5.0, deadhead_speed_km_h=20.0)
    assert sunday.select("start_min", "end_min", "deadhead_km").row(0) == (480.0 - 15.0, 510.0 + 15.0, 10.0)
    assert sunday["km"].item() == pytest.approx(3.0 * LEG_KM + 10.0)
    assert set(read_gtfs_blocks(folder, route_ids=["R2"])["route_id"]) == {"R2"}


def test_a_zip_file_with_a_folder_and_a_byte_order_mark_reads_the_same(tmp_path):
    folder = tmp_path / "feed"
    folder.mkdir()
    feed(folder)
    pack = tmp_path / "feed.zip"
    with zipfile.ZipFile(pack, "w") as file:
        for name, text in FILES.items():
            file.writestr(f"google_transit/{name}.txt", "\ufeff" + text)
    assert_frame_equal(read_gtfs_blocks(pack), read_gtfs_blocks(folder), check_exact=True)


@pytest.mark.parametrize(("factor", "unit"), [(1.0, "km"), (1000.0, "m")])
def test_stated_distances_and_shapes(tmp_path, factor, unit):
    times = FILES["stop_times"].splitlines()
    stated = {"t1,06:00:00": 0.0, "t1,,": 12.0, "t1,06:40:00": 25.0}
    lines = [times[0] + ",shape_dist_traveled"]
    for line in times[1:]:
        km = next((v for k, v in stated.items() if line.startswith(k)), None)
        lines.append(f"{line},{'' if km is None else km * factor}")
    trips = FILES["trips"].replace("block_id\n", "block_id,shape_id\n").replace("t2,\n", "t2,,S\n").replace("tram\n", "tram,\n")
    trips = trips.replace("t1,\n", "t1,,\n").replace("t3,\n", "t3,,\n").replace("t6,\n", "t6,,\n")
    shapes = "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\nS,0,0.5,2\nS,0,0.2,1\nS,0,0.4,3\n"
    blocks = read_gtfs_blocks(feed(tmp_path, stop_times="\n".join(lines) + "\n", trips=trips, shapes=shapes))
    # stated 25 km, then a shape that goes 0.3 degrees out and 0.1 back; the last from its stops
    km = dict(blocks.select("block_id", "km").iter_rows())
    assert km["R1:1"] == pytest.approx(25.0 + 4.0 * LEG_KM), unit
    assert km["R1:2"] == pytest.approx(2.0 * LEG_KM)


def test_frequencies_are_repeated_and_chained(tmp_path):
    # 6:00 to before 7:00 every 20 minutes, a trip of 40 minutes one way: no vehicle comes back
    text = "trip_id,start_time,end_time,headway_secs\nt1,06:00:00,07:00:00,1200\n"
    blocks = read_gtfs_blocks(feed(tmp_path, frequencies=text), route_ids=["R1"])
    # the three of t1 leave at 360, 380, 400; t2 takes the first; t3 leaves C at 403
    assert blocks["trips"].sum() == 5
    assert blocks.filter(pl.col("trips") == 2)["start_min"].to_list() == [360.0]
    assert sorted(blocks["start_min"].to_list()) == [360.0, 380.0, 400.0, 403.0]


def test_frequencies_of_unknown_trips_are_a_fault(tmp_path):
    head = "trip_id,start_time,end_time,headway_secs\n"
    # trips of another day and another route are known, and do not run
    known = head + "t1,06:00:00,07:00:00,1200\nt6,08:00:00,09:00:00,600\nt4,23:30:00,23:40:00,600\n"
    assert read_gtfs_blocks(feed(tmp_path, frequencies=known), route_ids=["R1"])["trips"].sum() == 5
    unknown = known + "t7,06:00:00,07:00:00,1200\n,06:00:00,07:00:00,x\n"
    with pytest.raises(FormatError) as caught:
        read_gtfs_blocks(feed(tmp_path, frequencies=unknown))
    for part in (
        "frequencies.txt row 5, column trip_id: 't7'; no row of trips.txt has it",
        "frequencies.txt row 6, column trip_id",
        "frequencies.txt row 6, column headway_secs: 'x'; it must be a number",
    ):
        assert part in str(caught.value)


def test_exceptions_of_the_calendar(tmp_path):
    text = "service_id,date,exception_type\nWK,20240506,2\nSU,20240506,1\n"
    blocks = read_gtfs_blocks(feed(tmp_path, calendar_dates=text), service_date="20240506")
    assert blocks["start_min"].to_list() == [480.0]


def test_blocks_go_into_the_depot(tmp_path):
    blocks = read_gtfs_blocks(feed(tmp_path))
    run = simulate_depot(blocks, vehicles={"bus": 2, "tram": 1}, plugs=2)
    assert run.value("served_share") == 1.0
    assert run.value("km") == pytest.approx(float(blocks["km"].sum()))


def test_all_faults_at_once(tmp_path):
    times = FILES["stop_times"].replace("t2,06:50:00", "t2,6h50").replace("t1,,,B,2", "t1,,,Z,2").replace("D,2", "D,second")
    with pytest.raises(FormatError) as caught:
        read_gtfs_blocks(feed(tmp_path, stop_times=times, stops=FILES["stops"].replace("C,0,", "C,north,")))
    # unknown stops end the reading first
    assert (
        str(caught.value)
        == "stop_times.txt row 3, column stop_id: 'Z'; no row of stops.txt has it: add it there, or leave the row out"
    )
    with pytest.raises(FormatError) as caught:
        read_gtfs_blocks(feed(tmp_path, stop_times=times.replace(",Z,", ",B,"), stops=FILES["stops"].replace("C,0,", "C,north,")))
    text = str(caught.value)
    assert "stops.txt row 4, column stop_lat: 'north'; it must be a number" in text
    assert "stop_times.txt row 5, column arrival_time: '6h50'; it must be a time HH:MM:SS" in text


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"trips": None}, "trips.txt, column route_id: ''; the file is missing"),
        ({"stops": "stop_id,stop_lat\nA,0\n"}, "stops.txt row 1, column stop_lon: ''; the column is missing"),
        ({"calendar": None}, "add calendar.txt or calendar_dates.txt"),
        (
            {"calendar": FILES["calendar"].replace("20240512", "2024-05-12")},
            "column end_date: '2024-05-12'; it must be a date YYYYMMDD",
        ),
        ({"trips": FILES["trips"] + "R1,WK,t9,\n"}, "trips.txt row 8, column trip_id: 't9'; stop_times.txt needs two rows"),
        ({"trips": FILES["trips"].replace("t1,\n", "t1,x\n").replace("t3,\n", "t3,x\n")}, None),
        (
            {"trips": FILES["trips"].replace("t2,\n", "t2,x\n").replace("t3,\n", "t3,x\n")},
            "column block_id: 'x'; a trip starts at minute 410",
        ),
        (
            {"stop_times": FILES["stop_times"].replace("t3,07:20:00", "t3,05:20:00")},
            "trip t3 ends before it starts; hours after midnight are 24 and more",
        ),
        (
            {"frequencies": "trip_id,start_time,end_time,headway_secs\nt1,06:00:00,07:00:00,0\n"},
            "column headway_secs: '0'; it must be above 0",
        ),
        ({"calendar_dates": "service_id,date,exception_type\nWK,20240506,3\n"}, "it must be 1 \\(added\\) or 2"),
        ({"trips": FILES["trips"] + "R1,WK,t1,\n"}, "trips.txt row 8, column trip_id: 't1'; another row has it"),
        (
            {"stop_times": FILES["stop_times"] + "t1,06:50:00,06:50:00,D,3\n"},
            "column stop_sequence: '3'; trip t1 has it twice: number its stops",
        ),
        ({"stops": FILES["stops"].replace("A,0,0", "A,91,0")}, "stop A: degrees of at most 90 and 180"),
        (
            {"frequencies": "trip_id,start_time,end_time,headway_secs\nt1,08:00:00,07:00:00,600\n"},
            "column end_time: '07:00:00'; it must come after start_time 08:00:00",
        ),
        (
            {"frequencies": "trip_id,start_time,end_time,headway_secs\nt1,,07:00:00,600\n"},
            "frequencies.txt row 2, column start_time: None; it must be a time",
        ),
    ],
)
def test_bad_feeds(tmp_path, changed, message):
    folder = feed(tmp_path, **changed)
    if message is None:
        assert "x" in read_gtfs_blocks(folder)["block_id"].to_list()
        return
    with pytest.raises(FormatError, match=message):
        read_gtfs_blocks(folder)


def test_bad_arguments(tmp_path):
    with pytest.raises(FormatError, match="does not exist"):
        read_gtfs_blocks(tmp_path / "nothing.zip")
    (tmp_path / "text.zip").write_text("no zip", encoding="utf-8")
    with pytest.raises(FormatError, match="neither a folder nor a zip file"):
        read_gtfs_blocks(tmp_path / "text.zip")
    with pytest.raises(FormatError, match="'R9'; no trip has this route; there are R1, R2"):
        read_gtfs_blocks(feed(tmp_path), route_ids=["R9"])
    with pytest.raises(FormatError, match="no trip runs on that day"):
        read_gtfs_blocks(feed(tmp_path), service_date="2030-01-01")


def test_great_circle():
    assert great_circle_km(np.array([0.0]), np.array([0.0]), np.array([0.0]), np.array([180.0]))[0] == pytest.approx(
        np.pi * 6371.0088
    )
