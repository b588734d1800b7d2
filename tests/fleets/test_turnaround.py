"""Task graphs: critical paths, latest begins and unlimited times by hand, tasks left out, and tables with everything wrong at once."""

import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleets.errors import BlockError
from fleets.turnaround import PUSH_BACK, Task, energy_per_minute, graph_problems, plan, shortest_stays, task_graphs

#: chocks 2, then unload 10 and deboard 5; load 12 after unload; board 15 after deboard; refuel 14 after deboard, before board.
SMALL = (
    Task("chocks", "", 0, 2.0),
    Task("unload", "loader", 1, 10.0, 3.0, ("chocks",)),
    Task("deboard", "", 0, 5.0, 0.0, ("chocks",), "contact"),
    Task("bus_out", "bus", 2, 9.0, 4.0, ("chocks",), "remote"),
    Task("refuel", "fuel", 1, 14.0, 5.0, ("deboard", "bus_out"), anchor="departure"),
    Task("load", "loader", 1, 12.0, 3.0, ("unload",), anchor="departure"),
    Task("board", "", 0, 15.0, 0.0, ("refuel",), anchor="departure"),
    Task("deice", "deicer", 1, 10.0, 5.0, ("board", "load"), anchor="departure", needed="icing"),
    Task(PUSH_BACK, "tug", 1, 8.0, 4.0, ("board", "load", "deice"), anchor="departure"),
)


def rows(tasks):
    return [
        {
            "size": "narrow",
            "task": t.task,
            "kind": t.kind or None,
            "units": t.units,
            "minutes": t.minutes,
            "return_minutes": t.return_minutes,
            "after": " ".join(t.after) or None,
            "stands": t.stands,
            "anchor": t.anchor,
            "needed": t.needed,
        }
        for t in tasks
    ]


def test_critical_path_by_hand():
    found = plan(SMALL, stand="contact")
    # 2 + 5 + 14 + 15 against 2 + 10 + 12
    assert found.shortest_min() == 36.0
    assert found.critical_path() == ["chocks", "deboard", "refuel", "board", PUSH_BACK]
    assert plan(SMALL, stand="remote").shortest_min() == 40.0
    assert plan(SMALL, stand="contact", icing=True).shortest_min() == 46.0
    assert shortest_stays({"narrow": SMALL}) == {("narrow", "contact"): 36.0, ("narrow", "remote"): 40.0}


def test_tasks_left_out_hand_on_what_stands_before_them():
    found = plan(SMALL, stand="contact")
    names = [t.task for t in found.tasks]
    assert "bus_out" not in names
    assert "deice" not in names
    assert names[-1] == PUSH_BACK
    before = {names[i]: {names[j] for j in found.before[i]} for i in range(len(names))}
    # the buses are left out, the chocks before them are not
    assert before["refuel"] == {"deboard", "chocks"}
    assert before[PUSH_BACK] == {"board", "load"}
    # without the tasks between them, the push-back waits for what stands before those
    bare = (
        SMALL[0],
        Task("ice", "deicer", 1, 5.0, 0.0, ("chocks",), needed="icing"),
        Task(PUSH_BACK, "", 0, 0.0, 0.0, ("ice",), anchor="departure"),
    )
    assert plan(bare, stand="contact").before[-1] == (0,)


def test_tails_and_latest_begins_by_hand():
    found = plan(SMALL, stand="contact")
    tail = dict(zip([t.task for t in found.tasks], found.tail.tolist(), strict=True))
    assert tail == {"chocks": 36.0, "unload": 22.0, "deboard": 34.0, "refuel": 29.0, "load": 12.0, "board": 15.0, PUSH_BACK: 0.0}
    earliest = found.earliest(np.array([0.0]), np.array([100.0]), 3.0)[0]
    at = dict(zip([t.task for t in found.tasks], earliest.tolist(), strict=True))
    # tasks of the departure three minutes before their latest time, the push-back on time, those of the arrival at once
    assert at == {"chocks": 0.0, "unload": 0.0, "deboard": 0.0, "refuel": 68.0, "load": 85.0, "board": 82.0, PUSH_BACK: 100.0}
    begin = found.unlimited(earliest[None, :], found.minutes[None, :])[0]
    assert begin[-1] == 100.0
    # too short a stay: the critical path decides
    short = found.earliest(np.array([0.0]), np.array([20.0]), 3.0)
    assert found.unlimited(short, found.minutes[None, :])[0, -1] == 36.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 30.0), st.sets(st.integers(0, 7), max_size=3)), min_size=1, max_size=8))
def test_critical_path_is_that_of_networkx(drawn):
    tasks = [Task(f"t{i}", "", 0, m, 0.0, tuple(f"t{j}" for j in sorted(before) if j < i)) for i, (m, before) in enumerate(drawn)]
    tasks.append(Task(PUSH_BACK, "", 0, 5.0, 0.0, tuple(t.task for t in tasks), anchor="departure"))
    assert graph_problems(tasks) == []
    graph = nx.DiGraph()
    graph.add_nodes_from(t.task for t in tasks)
    minutes = {t.task: t.minutes for t in tasks}
    graph.add_weighted_edges_from((a, t.task, minutes[a]) for t in tasks for a in t.after)
    made = plan(tasks, stand="contact")
    assert made.shortest_min() == pytest.approx(nx.dag_longest_path_length(graph))
    assert sum(minutes[t] for t in made.critical_path()[:-1]) == pytest.approx(made.shortest_min())
    at = {t.task: i for i, t in enumerate(made.tasks)}
    assert all(at[a] < at[t.task] for t in tasks for a in t.after)


def test_a_table_becomes_tasks():
    found = task_graphs(pl.DataFrame(rows(SMALL)))
    assert found == {"narrow": SMALL}
    longer = task_graphs(pl.DataFrame(rows(SMALL)), factor=2.0)
    assert plan(longer["narrow"], stand="contact").shortest_min() == 72.0
    assert longer["narrow"][1].return_minutes == 6.0


def test_all_problems_of_a_table_at_once():
    bad = rows(SMALL)
    bad[1] |= {"after": "chocks parking"}
    bad[4] |= {"stands": "roof"}
    bad[5] |= {"kind": None}
    bad[6] |= {"minutes": -3.0}
    bad[7] |= {"after": "board push_back"}
    with pytest.raises(BlockError) as caught:
        task_graphs(pl.DataFrame(bad))
    text = str(caught.value)
    for part in (
        "unload comes after parking",
        "row 4: stands is 'roof'; there are all, contact, remote",
        "row 5: units=1 of kind ''",
        "row 6: minutes=-3.0",
        "deice comes after push_back",
        "wait for each other",
    ):
        assert part in text
    with pytest.raises(BlockError, match="there is no task push_back"):
        task_graphs(pl.DataFrame(rows(SMALL[:3])))
    with pytest.raises(BlockError, match="columns needed are missing"):
        task_graphs(pl.DataFrame(rows(SMALL)).drop("needed"))
    with pytest.raises(BlockError, match="the task chocks stands there 2 times"):
        task_graphs(pl.DataFrame(rows((SMALL[0], *SMALL))))
    with pytest.raises(BlockError, match="there is no task"):
        task_graphs(pl.DataFrame(rows(SMALL)).clear())


def test_energy_is_shared_out_by_minutes():
    found = energy_per_minute({"narrow": SMALL}, "narrow", {"loader": 11.0, "bus": 4.5, "snow": 9.0})
    # unload 10 and load 12 minutes; buses only at remote stands
    assert found == {"loader": pytest.approx(0.5), "bus": pytest.approx(0.5)}
    wide = (*SMALL, Task("lift", "lifter", 1, 20.0, 0.0, ("chocks",)))
    assert energy_per_minute({"narrow": SMALL, "wide": wide}, "narrow", {"lifter": 5.0}) == {"lifter": 0.25}
