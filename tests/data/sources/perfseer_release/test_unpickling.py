"""Strangers' pickles: graphs come out as they went in, and attacks do not run."""

import copyreg
import pickle
import random
import struct
import sys
import time
import tracemalloc
import types

import networkx as nx
import numpy as np
import pytest

from perfseer.data.sources.perfseer_release import machine
from perfseer.data.sources.perfseer_release.symbols import ADMITTED, Instance
from perfseer.data.sources.perfseer_release.unpickling import MAX_BYTES, load, read_graph
from perfseer.errors import PerfseerError
from tests.helpers.synthetic_release import make_digraph

PROTOCOLS = range(6)
DIGRAPH = b"cnetworkx.classes.digraph\nDiGraph\n"
EMPTY_GRAPH = DIGRAPH + b")\x81"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def features_of(graph: nx.DiGraph) -> list[dict]:
    return [dict(graph.nodes[name]["feature"]) for name in graph]


def edges_of(graph: nx.DiGraph) -> list[tuple[int, int]]:
    position = {name: number for number, name in enumerate(graph)}
    return [(position[sender], position[receiver]) for sender, receiver in graph.edges]


# -- graphs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_networkx_graph_comes_out_as_it_went_in(protocol):
    graph = make_digraph()
    raw = read_graph(pickle.dumps(graph, protocol), "a.pkl")
    assert list(raw.features) == features_of(graph)
    assert list(raw.edges) == edges_of(graph) == [(0, 1), (1, 2), (2, 3), (2, 4), (3, 4)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_views_that_networkx_keeps_in_a_used_graph_are_of_no_concern(protocol):
    graph = make_digraph()
    for view in ("nodes", "edges", "adj", "succ", "pred", "degree", "in_degree", "out_degree", "in_edges"):
        getattr(graph, view)
    graph.graph["name"] = "used"
    content = pickle.dumps(graph, protocol)
    assert b"reportviews" in content
    assert list(read_graph(content, "a.pkl").features) == features_of(graph)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("era", ["networkx 1", "networkx 2"])
def test_graphs_of_older_networkx_are_read(protocol, era, monkeypatch):
    """What instances of 1.11 and 2.3 hold: other names, and the types they make dicts of."""
    current = make_digraph()
    kind = type("DiGraph", (), {"__module__": "networkx.classes.digraph"})
    old = kind()
    mark = "" if era == "networkx 1" else "_"
    succ = {name: dict(current.succ[name]) for name in current}
    parts = {"node": dict(current.nodes), "adj": succ, "succ": succ, "pred": {}}
    old.__dict__.update({f"{mark}{name}": value for name, value in parts.items()})
    old.__dict__.update(graph={}, node_dict_factory=dict, adjlist_outer_dict_factory=dict)
    monkeypatch.setattr("networkx.classes.digraph.DiGraph", kind)
    content = pickle.dumps(old, protocol)
    monkeypatch.undo()
    raw = read_graph(content, "a.pkl")
    assert list(raw.features) == features_of(current)
    assert list(raw.edges) == edges_of(current)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_authors_classes_and_namespaces_stand_for_dicts(protocol, monkeypatch):
    module = types.ModuleType("features_define")
    for name in ("Feature", "Args"):
        setattr(module, name, type(name, (), {"__module__": "features_define"}))
    monkeypatch.setitem(sys.modules, "features_define", module)
    graph = make_digraph()
    expected = features_of(graph)
    for name in graph:
        plain = graph.nodes[name]["feature"]
        feature, args = module.Feature(), module.Args()
        args.__dict__.update(plain["args"])
        memory = types.SimpleNamespace(**plain["memory_info"])
        feature.__dict__.update(plain, args=args, memory_info=memory)
        graph.nodes[name]["feature"] = feature
    content = pickle.dumps(graph, protocol)
    assert list(read_graph(content, "a.pkl").features) == expected


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_numbers_become_numbers(protocol):
    graph = nx.DiGraph()
    values = {
        "i": np.int64(-5),
        "u": np.uint8(200),
        "f": np.float32(0.5),
        "b": np.bool_(True),
        "t": np.str_("282594816"),
        "big": np.array(7, dtype=">i4")[()],
        "shape": np.array([8, 3, 224, 224]),
    }
    graph.add_node(np.int64(0), feature={"type": "Conv", **values})
    (feature,) = read_graph(pickle.dumps(graph, protocol), "a.pkl").features
    assert feature == {
        "type": "Conv",
        **{"i": -5, "u": 200, "f": 0.5, "b": True, "t": "282594816", "big": 7, "shape": [8, 3, 224, 224]},
    }
    assert {type(value) for value in feature.values()} == {str, int, float, bool, list}


def test_nothing_comes_out_but_plain_data():
    def kinds(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return {type(value)}.union(*map(kinds, inner))

    for feature in read_graph(pickle.dumps(make_digraph()), "a.pkl").features:
        assert kinds(feature) <= {dict, list, str, int, float, bool, type(None)}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"a": 1}, "a dict, expected a DiGraph"),
        (nx.Graph(), "networkx.classes.graph.Graph, expected a DiGraph"),
        (nx.DiGraph(), "0 nodes"),
        (nx.DiGraph([(1, 2)]), "node 0 has no feature"),
        (None, "a NoneType, expected a DiGraph"),
    ],
)
def test_what_is_no_graph_of_the_release_is_refused(value, said):
    with pytest.raises(PerfseerError, match=said) as caught:
        read_graph(pickle.dumps(value), "odd.pkl")
    assert "odd.pkl" in str(caught.value)


# -- attacks that run under Python's unpickler --------------------------------------------------------------


def command(canary) -> str:
    return f"touch {canary}"


def quoted(value: str) -> bytes:
    return b"S'" + value.encode() + b"'\n"


def stack_global(module: str, name: str) -> bytes:
    return b"\x80\x04" + text(module) + text(name) + b"\x93"


ATTACKS = {
    "GLOBAL": ("os.system", lambda c: b"cos\nsystem\n(" + quoted(command(c)) + b"tR."),
    "STACK_GLOBAL": (
        "posix.system",
        lambda c: stack_global("posix", "system") + text(command(c)) + b"\x85R.",
    ),
    "dotted name": (
        "shutil.os.system",
        lambda c: stack_global("shutil", "os.system") + text(command(c)) + b"\x85R.",
    ),
    "dotted networkx": (
        "networkx.classes.digraph.nx.utils.backends.os.system",
        lambda c: (
            stack_global("networkx.classes.digraph", "nx.utils.backends.os.system")
            + text(command(c))
            + b"\x85R."
        ),
    ),
    "INST": ("os.system", lambda c: b"(" + quoted(command(c)) + b"ios\nsystem\n."),
    "OBJ": ("os.system", lambda c: b"(cos\nsystem\n" + quoted(command(c)) + b"o."),
    "INST of a class": (
        "subprocess.Popen",
        lambda c: b"((lp0\n" + quoted("touch") + b"a" + quoted(str(c)) + b"aisubprocess\nPopen\n.",
    ),
    "eval": ("builtins.eval", lambda c: b"cbuiltins\neval\n(" + text(f"open({str(c)!r}, 'w')") + b"tR."),
    "exec": ("builtins.exec", lambda c: b"cbuiltins\nexec\n(" + text(f"open({str(c)!r}, 'w')") + b"tR."),
    "open": ("builtins.open", lambda c: b"cbuiltins\nopen\n(" + text(str(c)) + text("w") + b"tR."),
    "__import__": (
        "builtins.__import__",
        lambda c: (
            b"cbuiltins\n__import__\n(" + text("os") + b"tR0" + b"cos\nmknod\n(" + text(str(c)) + b"tR."
        ),
    ),
    "getattr": (
        "builtins.getattr",
        lambda c: (
            b"cbuiltins\ngetattr\n(cbuiltins\n__import__\n("
            + text("os")
            + b"tR"
            + text("system")
            + b"tR("
            + text(command(c))
            + b"tR."
        ),
    ),
    "map over open": (
        "builtins.map",
        lambda c: (
            b"cbuiltins\nlist\n(cbuiltins\nmap\n(cbuiltins\nopen\n("
            + text(str(c))
            + b"t("
            + text("w")
            + b"ttRtR."
        ),
    ),
    "state that calls": (
        "posix.system",
        lambda c: (
            b"\x80\x04"
            + text("types")
            + text("SimpleNamespace")
            + b"\x93)R}"
            + text("__setstate__")
            + stack_global("posix", "system")[2:]
            + b"sb"
            + text(command(c))
            + b"b."
        ),
    ),
    "the class of a graph with a state that calls": (
        "os.system",
        lambda c: (
            EMPTY_GRAPH + b"N}" + text("__setstate__") + b"cos\nsystem\ns\x86b" + text(command(c)) + b"b."
        ),
    ),
    "numpy's runstring": (
        "numpy.testing._private.utils.runstring",
        lambda c: b"cnumpy.testing._private.utils\nrunstring\n(" + text(f"open({str(c)!r}, 'w')") + b"}tR.",
    ),
    "python 2 name": (
        "__builtin__.eval",
        lambda c: b"c__builtin__\neval\n(" + quoted(f'open("{c}", "w")') + b"tR.",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_that_runs_under_pickle_is_refused_by_symbol_and_does_not_run(name, tmp_path):
    symbol, attack = ATTACKS[name]
    canary = tmp_path / "canary"
    content = attack(canary)
    pickle.loads(content)
    deadline = time.monotonic() + 300  # a process is started, on a machine that may be busy
    while not canary.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert canary.exists(), "this is no attack: Python's own unpickler did not run it"
    canary.unlink()
    with pytest.raises(PerfseerError) as caught:
        read_graph(content, "cg/evil.pkl")
    assert symbol in str(caught.value)
    assert "cg/evil.pkl" in str(caught.value)
    time.sleep(0.05 if "Popen" in symbol else 0)
    assert not canary.exists()


def test_an_attack_inside_a_whole_graph_is_refused(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (eval, (f"open({str(tmp_path / 'canary')!r}, 'w')",))

    graph = make_digraph()
    graph.graph["name"] = Bomb()
    for protocol in PROTOCOLS:
        with pytest.raises(PerfseerError, match=r"asks for .*eval,"):
            read_graph(pickle.dumps(graph, protocol), "a.pkl")
    assert not (tmp_path / "canary").exists()


def test_the_extension_registry_is_not_consulted(tmp_path):
    canary = tmp_path / "canary"
    copyreg.add_extension("os", "system", 240)
    try:
        for code in (b"\x82\xf0", b"\x83\xf0\x00", b"\x84\xf0\x00\x00\x00"):
            content = b"\x80\x02" + code + b"(" + text(command(canary)) + b"tR."
            pickle.loads(content)
            assert canary.exists()
            canary.unlink()
            with pytest.raises(PerfseerError, match=r"EXT[124]"):
                read_graph(content, "a.pkl")
            assert not canary.exists()
    finally:
        copyreg.remove_extension("os", "system", 240)


# -- attacks on the stand-ins -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"Pos.system\n.", "PERSID"),
        (text("os.system") + b"Q.", "BINPERSID"),
        (EMPTY_GRAPH[:-2] + b")}\x92.", "NEWOBJ_EX"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x8f.", "EMPTY_SET"),
        (b"(K\x01\x91.", "FROZENSET"),
        (b"\xfe.", "0xfe"),
        (b"\x80\x06N.", "protocol 6"),
        (b"cbuiltins\nobject\n)R.", "it calls builtins.object"),
        (b"cbuiltins\ndict\n)R.", "it calls builtins.dict"),
        (text("os.system") + b")R.", "it calls a str"),
        (EMPTY_GRAPH + b")R.", "it calls a Instance"),
        (DIGRAPH + b"(K\x01tR.", "DiGraph with arguments no graph needs"),
        (DIGRAPH + b"K\x01R.", "it calls networkx.classes.digraph.DiGraph"),
        (DIGRAPH + b"}" + text("make") + b"Nsb.", "gives a Symbol a state"),
        (DIGRAPH + b"N}" + text("make") + b"Ns\x86b.", "gives a Symbol a state"),
        (EMPTY_GRAPH + b"}b}b.", "or a second one"),
        (EMPTY_GRAPH + text("state") + b"b.", "a state that is no dict"),
        (EMPTY_GRAPH + text("a") + b"Ns.", "sets items of a Instance"),
        (EMPTY_GRAPH + b"Na.", "appends to a Instance"),
        (DIGRAPH + text("a") + b"Ns.", "sets items of a Symbol"),
        (b"ccopyreg\n_reconstructor\n(cbuiltins\ndict\ncbuiltins\nobject\nNtR.", "it calls builtins.dict"),
        (
            b"ccopyreg\n_reconstructor\n(" + DIGRAPH + b"cbuiltins\ndict\n}tR.",
            "_reconstructor with arguments",
        ),
        (b"ccollections\ndefaultdict\n(" + text("x") + b"tR.", "defaultdict with arguments"),
        (b"ccollections\nOrderedDict\n((K\x01K\x02ttR.", "OrderedDict with arguments"),
        (b"cnumpy\ndtype\n(" + text("O") + b"tR.", "numpy.dtype with arguments"),
        (
            b"cnumpy.core.multiarray\nscalar\n(" + text("f8") + text("12345678") + b"tR.",
            "scalar with arguments",
        ),
        (b"c_codecs\nencode\n(" + text("a" * 300) + text("latin1") + b"tR.", "_codecs.encode with arguments"),
        (b"c_codecs\nencode\n(" + text("a") + text("rot13") + b"tR.", "_codecs.encode with arguments"),
        (b"cnetworkx.classes.digraph\nDiGraph.__init__\n.", "DiGraph.__init__, which no graph needs"),
        (stack_global("networkx.classes", "digraph.DiGraph") + b".", "which no graph needs"),
        (b"K\x01K\x02\x93.", "which no graph needs"),
        (EMPTY_GRAPH + EMPTY_GRAPH + b"\x93.", "which no graph needs"),
        (pickle.dumps(1) + b"garbage", "7 bytes follow its end"),
        (pickle.dumps(1) + pickle.dumps(2), "bytes follow its end"),
        (b"K\x01K\x02.", "damaged"),
        (b"(K\x01.", "damaged"),
        (b".", "damaged"),
        (b"", "damaged"),
        (b"0.", "damaged"),
        (b"h\x05.", "damaged"),
        (b"K\x01s.", "damaged"),
        (b"X\xff\xff\xff\xffabc.", "damaged"),
        (b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.", "damaged"),
        (b"V\\ud800\n.", "damaged"),
        (b"\x8c\x02\xff\xfe.", "damaged"),
    ],
)
def test_a_trick_is_refused(content, said):
    with pytest.raises(PerfseerError) as caught:
        load(content, "trick.pkl")
    assert said in str(caught.value)
    assert "trick.pkl" in str(caught.value)


def test_a_state_cannot_change_what_a_stand_in_is():
    names = ("__class__", "__setstate__", "__reduce__", "__dict__", "kind", "build", "state")
    state = b"".join(text(name) + DIGRAPH for name in names)
    found = load(EMPTY_GRAPH + b"}(" + state + b"ub.", "a.pkl")
    assert type(found) is Instance
    assert found.kind == "networkx.classes.digraph.DiGraph"
    assert set(found.state) == set(names)
    slots = load(EMPTY_GRAPH + b"N}(" + state + b"u\x86b.", "a.pkl")
    assert (type(slots), slots.kind) == (Instance, found.kind)
    assert callable(Instance.build)


def test_one_file_leaves_nothing_behind_for_the_next():
    whole = pickle.dumps(make_digraph())
    before, symbols = read_graph(whole, "a.pkl"), dict(ADMITTED)
    for content in (DIGRAPH + b"}" + text("name") + b"Nsb.", b"r\xff\xff\xff\x7f", EMPTY_GRAPH + b"}b."):
        with pytest.raises(PerfseerError):
            read_graph(content, "evil.pkl")
    assert read_graph(whole, "a.pkl") == before
    assert dict(ADMITTED) == symbols


def test_a_name_cannot_rewrite_the_terminal_or_flood_it():
    evil = "\x1b[2J\n[bold]" + "x" * 100_000
    with pytest.raises(PerfseerError) as caught:
        load(stack_global(evil, "system") + b".", evil)
    message = str(caught.value)
    assert "\x1b" not in message
    assert "\n" not in message
    assert len(message) < 600


# -- attacks on time and memory -----------------------------------------------------------------------------


def laughs(levels: int) -> bytes:
    """A tuple of two references to a tuple of two references to … : 2**levels leaves, two bytes a level."""
    return b")" + b"2\x86" * levels


def graph_with(args: bytes) -> bytes:
    """A graph of one node without edges, with these ``args``."""
    feature = b"}" + text("feature") + b"}" + text("args") + args + b"ss"
    parts = text("_node") + b"}K\x00" + feature + b"s" + text("_succ") + b"}"
    return EMPTY_GRAPH + b"}(" + parts + b"ub."


BOMBS = {
    "shared for ever, as a key": b"}" + laughs(80) + b"Ns.",
    "shared for ever, as a feature": graph_with(laughs(80)),
    "nested deeply": graph_with(b"]" * 100_000 + b"a" * 99_999),
    "marks nested deeply": b"(" * 300_000 + b".",
    "a number of a million bytes": b"\x8b" + struct.pack("<i", 10**6) + b"\x7f" * 10**6 + b".",
    "a negative length": b"\x8b" + struct.pack("<i", -1) + b".",
    "a number of a million digits": b"L" + b"9" * 10**6 + b"L\n.",
    "the number of digits at the limit": b"I" + b"9" * 40 + b"\n.",
    "a text of four gigabytes": b"X\xff\xff\xff\xff.",
    "a text of exabytes": b"\x8d" + b"\xff" * 7 + b"\x7f.",
    "bytes of exabytes": b"\x8e" + b"\xff" * 7 + b"\x7f.",
    "a byte array of terabytes": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".",
    "a frame of exabytes": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7fN.",
    "a memo of four billion": b"Nr\xff\xff\xff\xff",
    "a memo of text": b"Np" + b"9" * 10**6 + b"\n.",
    "a million operations": b"N" + b"2" * 2_000_000 + b".",
    "copies of bytes by calls": b"c_codecs\nencode\nq\x00("
    + text("a" * 256)
    + text("latin1")
    + b"tq\x01R"
    + b"h\x00h\x01R" * 100_000
    + b".",
    "keys that meet": b"}("
    + b"".join(b"\x8a\x09" + (number * (2**61 - 1)).to_bytes(9, "little") + b"N" for number in range(2000))
    + b"u.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_within_bounds(name):
    content = BOMBS[name]
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(PerfseerError) as caught:
            read_graph(content, "bomb.pkl")
        seconds, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "bomb.pkl" in str(caught.value)
    assert len(str(caught.value)) < 600
    assert peak < 128 * 2**20
    assert seconds < 20  # tracing makes it some ten times slower


def test_edges_of_shared_successors_are_counted_before_they_are_listed():
    nodes = 2000
    shared = b"}(" + b"".join(b"M" + struct.pack("<H", n) + b"N" for n in range(nodes)) + b"uq\x01"
    listed = b"".join(b"M" + struct.pack("<H", n) + b"h\x01" for n in range(nodes))
    feature = b"}" + text("feature") + b"}sq\x02"
    attributes = b"".join(b"M" + struct.pack("<H", n) + b"h\x02" for n in range(nodes))
    body = shared + b"0" + feature + b"0"
    state = b"}(" + text("_node") + b"}(" + attributes + b"u" + text("_succ") + b"}(" + listed + b"uu"
    with pytest.raises(PerfseerError, match="4000000 edges"):
        read_graph(body + EMPTY_GRAPH + state + b"b.", "a.pkl")


def test_what_nodes_share_is_copied_once():
    args = {f"a{number}": number for number in range(20_000)}
    graph = nx.DiGraph()
    for number in range(5_000):
        graph.add_node(number, feature={"type": "Conv", "args": args, "number": number})
    raw = read_graph(pickle.dumps(graph), "a.pkl")
    assert raw.features[0]["args"] is raw.features[-1]["args"]
    assert raw.features[7]["number"] == 7


def test_a_file_too_large_is_not_looked_at():
    with pytest.raises(PerfseerError, match=f" {MAX_BYTES} bytes"):
        load(b"N" * (MAX_BYTES + 1), "large.pkl")


def test_too_many_operations_are_refused(monkeypatch):
    content = pickle.dumps(make_digraph())
    monkeypatch.setattr(machine, "MAX_OPERATIONS", 100)
    with pytest.raises(PerfseerError, match=" 100 operations"):
        read_graph(content, "a.pkl")


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_every_truncation_is_refused(protocol):
    content = pickle.dumps(make_digraph(), protocol)
    for end in range(0, len(content), 7):
        with pytest.raises(PerfseerError):
            read_graph(content[:end], "cut.pkl")


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_mutated_file_is_read_or_refused_and_nothing_else(protocol):
    content = pickle.dumps(make_digraph(), protocol)
    draw = random.Random(protocol)
    told = []
    for _ in range(400):
        mutated = bytearray(content)
        for _ in range(draw.choice((1, 1, 2, 8))):
            place = draw.randrange(len(mutated))
            if draw.random() < 0.7:
                mutated[place] = draw.randrange(256)
            else:
                del mutated[place]
        try:
            read_graph(bytes(mutated), "mutated.pkl")
        except PerfseerError as error:
            told.append(str(error))
    assert 0 < len(told) <= 400
    assert all("mutated.pkl" in message for message in told)


def test_the_interpreter_agrees_with_pickle_on_plain_data():
    values = [
        None,
        True,
        False,
        0,
        255,
        256,
        65536,
        -1,
        -(2**31),
        2**62,
        1.5,
        float("inf"),
        "",
        "a\n'é\U0001f600",
    ]
    values += [b"a\x00\xff", [], {}, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [1, [2, {"a": (3,)}]]]
    values += [{"a": 1, 2: "b"}, "x" * 300, b"y" * 200, list(range(2000)), {str(n): n for n in range(2000)}]
    for protocol in PROTOCOLS:
        for value in values:
            assert load(pickle.dumps(value, protocol), "a.pkl") == value


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"U\x03abc.", "abc"),
        (b"T\x03\x00\x00\x00ab\xe9.", "abé"),
        (b"S'abc'\n.", "abc"),
        (b"(dp0\nS'a'\np1\n(lp2\nI1\naL-2L\nasI3\nI01\ns.", {"a": [1, -2], 3: True}),
    ],
)
def test_what_python_2_wrote_is_read(content, value):
    assert load(content, "a.pkl") == value == pickle.loads(content, encoding="latin-1")
