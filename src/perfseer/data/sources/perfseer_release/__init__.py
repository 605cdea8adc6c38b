"""The dataset that PerfSeer's authors published: 53,407 graphs with labels, read and written (METHODS 1.1).

``cg/*.pkl`` are networkx graphs, pickled; ``label/*.txt`` are texts made for ``eval``. Both come from
strangers, so nothing here unpickles or evaluates: `unpickling` interprets a pickle as data, `labels` reads
the text by a grammar, `archive` finds the files, `reading` makes the measurement table and packed graphs of
them. `docs/perfseer-release.md` has the format, how we read it and how long that takes.
"""
