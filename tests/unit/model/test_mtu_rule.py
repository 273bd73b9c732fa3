"""The MTU rule on any chain."""

from hypothesis import given
from hypothesis import strategies as st

from inventory import LAB
from model.network import Link, MtuChain
from model.rules.mtu import HOPS, LARGEST, SMALLEST, mtu
from model.units import Mtu
from tests.unit.model.lab_copies import EXAMPLES, changed, configuration

_SIZES = st.sampled_from((576, 1280, 1450, 1500, 8950, 9000, 9216, 65520, 65536)).map(Mtu)


@EXAMPLES
@given(st.lists(_SIZES, min_size=len(HOPS), max_size=len(HOPS)), _SIZES, st.sampled_from((0, 50, 80)))
def test_a_chain_is_sound_exactly_when_it_never_widens(sizes: list[Mtu], pod: Mtu, encapsulation: int):
    chain = MtuChain(
        links=tuple(Link(name=name, mtu=size) for name, size in zip(HOPS, sizes, strict=True)),
        pod=pod,
        encapsulation=Mtu(encapsulation),
    )
    lab = changed(LAB, mtu=chain, cluster=LAB.cluster.model_copy(update={"node_mtu": sizes[-1]}))
    narrowing = sizes == sorted(sizes, reverse=True) and pod + encapsulation <= sizes[-1]
    possible = all(SMALLEST <= size <= LARGEST for size in sizes) and pod >= SMALLEST

    assert (mtu(lab, configuration()) == []) is (narrowing and possible)
