# %% [markdown]
# # What-ifs in Python / 用 Python 做假设分析
#
# Run it cell by cell in an editor or a notebook, or whole: `python docs/how-to/what_if.py`. Results go to `runs/`
# (elsewhere with the environment variable TRANSPORT_RUNS). Fixed delays keep it quick; leave `capacity` out for reports.

# %%
import tempfile
from pathlib import Path

import polars as pl

import transport

inputs = transport.load_inputs()  # checked once; every call below may also be made without it

# %% [markdown]
# ## One scenario / 单个情景
# A name, a path or a scenario. Levers, projects, closures and sites may be given on top.

# %%
dearer = transport.run("baseline", inputs, capacity="fixed", set={"road_toll": {2025: 1.0, 2026: 1.1}})
print(dearer.tables["freight"].filter(pl.col("year") == 2030).group_by("mode").agg(pl.col("territory_tkm").sum()).sort("mode"))

# %% [markdown]
# ## Many at once / 批量
# A list of cases or a grid, here written on the spot. What is done is kept: the second call runs nothing.

# %%
sweep_file = Path(tempfile.mkdtemp()) / "tolls_and_tariffs.toml"
sweep_file.write_text(
    """
title_zh = "通行费与铁路运价"
title_en = "Tolls and rail tariffs"
base = "baseline"
tables = ["indicators", "freight", "freight_corridors"]
[run]
capacity = "fixed"
[grid]
road_toll = [1.0, 1.2]
rail_tariff = [1.0, 0.9]
""",
    encoding="utf-8",
)
result = transport.sweep(sweep_file, inputs)
again = transport.sweep(sweep_file, inputs)
print(f"{len(result.ran)} cases run, then {len(again.ran)}; kept in {result.folder}")

# %%
freight = result.table("freight").filter(pl.col("year") == 2030, pl.col("mode") == "rail")
rail = freight.group_by("case", maintain_order=True).agg((pl.col("territory_tkm").sum() / 1e9).alias("rail_bn_tkm"))
print(result.table("cases").select("case", "road_toll", "rail_tariff", "words_en").join(rail, on="case"))

# %% [markdown]
# ## What changed, and where / 变在哪里
# By indicator, corridor, commodity or prefecture; results, run folders and cases alike, up to four.

# %%
same, both = result.case("road_toll=1, rail_tariff=1"), result.case("road_toll=1.2, rail_tariff=0.9")
corridors = transport.compare(same, both, by="corridor", years=[2030])
print(corridors.sort(pl.col("tkm_difference").abs(), descending=True).head(8))
commodities = transport.compare(same, both, dearer, by="commodity", years=[2030])
print(commodities.group_by("run", "mode").agg(pl.col("total_tkm_difference").sum()).sort("run", "mode"))
