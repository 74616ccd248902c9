"""What a store sends is not what it should be: one item pays for it, or nothing is believed."""

from __future__ import annotations

import pytest

from tests.contract.damage import TOO_DEEP, VALUES, Replay, at_request, documents, envelope_paths, rendered, row_paths
from tests.contract.reading import full, names, pages, proves_absence, records, volatile
from tests.contract.subjects import BAD, SUBJECTS
from tests.contract.wire import Wire, opened
from worker.errors import BadInput, ShelfbeatError
from worker.items import prepare, prepare_volatile
from worker.stores import CursorExpired, UnreadableRecord

ITEMS = 12
AROUND = {
    **{name: VALUES[name] for name in ("null", "a negative", "an enormous number", "an unknown word", "nested junk")},
    "a depth beyond reason": TOO_DEEP,
}
ALL = {str(number) for number in range(ITEMS)}
DAMAGED = (BAD, 11)
"""Of every kind of row that a store has: 11 is a variation where 7 is a simple product."""
OTHERWISE_READ = ("woocommerce-http",)  # signs its calls, and reads what woocommerce reads
JSON = [name for name in SUBJECTS if not name.startswith("feed") and name not in OTHERWISE_READ] + ["feed-ndjson"]
TEXT = ["feed-csv", "feed-tsv", "feed-rss", "feed-atom", "feed-ndjson"]


@pytest.fixture(params=JSON)
def speaks_json(request, tmp_path):
    found = SUBJECTS[request.param](tmp_path)
    found.fill(ITEMS)
    return found


def test_one_bad_record_breaks_neither_its_page_nor_its_pull(subject):
    subject.fill(20, spoil=True)
    store = subject.open()
    found = records(pages(full, store))
    assert [record.retailer_id for record in found] == [str(number) for number in range(20)]
    bad = next(record for record in found if record.retailer_id == str(BAD))
    with pytest.raises(UnreadableRecord):
        store.fields(bad)
    slim = pages(volatile, store)
    assert [record.retailer_id for record in records(slim)] == [str(number) for number in range(20) if number != BAD]
    assert [notice.retailer_id for page in slim for notice in page.notices] == [str(BAD)]
    store.close()


@pytest.mark.parametrize("read", [full, volatile])
def test_whatever_an_items_row_holds_that_item_alone_pays_for_it(speaks_json, read):
    damaged = list(_damaged(speaks_json, read, row_paths))
    assert len(damaged) > 30
    healthy = _said(speaks_json, read, Replay(speaks_json.fake))[1]
    wrong = []
    for number, what, wire in damaged:
        name, others = str(number), ALL - {str(number)}
        try:
            found, said = _said(speaks_json, read, wire)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told with what caused it
            wrong.append(f"{what}: {error!r}")
            continue
        if {other: said.get(other) for other in others} != {other: healthy[other] for other in others}:
            wrong.append(f"{what}: another item is not what it was")
        noticed = {notice.retailer_id for page in found for notice in page.notices}
        if name not in said.keys() | noticed and proves_absence(found):
            wrong.append(f"{what}: the item seems to be gone")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("read", [full, volatile])
@pytest.mark.invariant("I9")
@pytest.mark.fault("S6")
def test_whatever_is_around_the_rows_nothing_is_missed_without_a_word(speaks_json, read):
    damaged = list(_damaged(speaks_json, read, envelope_paths, AROUND))
    assert damaged
    wrong = []
    for _, what, wire in damaged:
        try:
            found, said = _said(speaks_json, read, wire)
        except (ShelfbeatError, CursorExpired) as error:
            if isinstance(error, BadInput):
                wrong.append(f"{what}: {error!r} blames the operator")
            continue
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told with what caused it
            wrong.append(f"{what}: {error!r}")
            continue
        noticed = {notice.retailer_id for page in found for notice in page.notices}
        known = said.keys() | noticed - {""}
        # Another id is another item, whose place in the catalog the damaged one lost: nobody can tell.
        if ALL - known and not known - ALL and proves_absence(found):
            wrong.append(f"{what}: {len(ALL - known)} items seem to be gone")
    assert not wrong, "\n".join(wrong)


def _damaged(subject, read, where, values=VALUES):
    """What is wrong, and a wire on which it is; for every answer of a pull, place in it and value."""
    replay = Replay(subject.fake)
    wire = Wire(replay)
    answers = []

    def keep(asked, request, response):
        body = response.read()
        answers.append((request, documents(body)))
        response.stream = type(response.stream)(body)
        return response

    wire.change = keep
    _said(subject, read, wire)
    for number, (request, found) in enumerate(answers, 1):
        for item, path in where(found, subject, DAMAGED) if found else ():
            for name, value in values.items():
                if subject.is_meant(path, value):
                    continue
                replay.rewind()
                yield (
                    item,
                    f"{name} as {'.'.join(map(str, path[1:]))} of answer {number} ({request.url.path})",
                    Wire(replay, at_request(number, rendered(found, path, value))),
                )


def _said(subject, read, wire):
    """The pages of a pull, and what each item says once it is prepared for Meta; None for an unreadable one."""
    store = opened(subject, wire)
    try:
        found = pages(read, store)
        said = {}
        for record in records(found):
            try:
                if read is full:
                    said[record.retailer_id] = prepare(record.retailer_id, store.fields(record), "USD")
                else:
                    said[record.retailer_id] = prepare_volatile(record.retailer_id, record.fields, "USD")
            except UnreadableRecord:
                said[record.retailer_id] = None
        return found, said
    finally:
        store.close()


TEXTS = [
    b"NaN",
    b"1e999",
    b"9" * 500,
    b"-1",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\x00\x1b[2J",
    b"\x0b",
    b"\xef\xbf\xbf",
    b"",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize("read", [full, volatile])
@pytest.mark.fault("S8")
def test_whatever_a_cell_of_a_feed_holds_that_item_alone_pays_for_it(name, read, text, tmp_path):
    subject = SUBJECTS[name](tmp_path)
    subject.fill(ITEMS)
    healthy = _said(subject, read, subject.fake)[1]
    good = next(one for one in (b">7.50 USD", b",7.50 USD", b"\t7.50 USD", b'"7.50 USD') if one in subject.fake.body)
    subject.fake.body = subject.fake.body.replace(good, good[:1] + text)
    found, said = _said(subject, read, subject.fake)
    assert {one: said[one] for one in ALL - {str(BAD)}} == {one: healthy[one] for one in ALL - {str(BAD)}}
    assert {*names(found), *(notice.retailer_id for page in found for notice in page.notices)} == ALL
    assert said.get(str(BAD)) != healthy[str(BAD)]
