"""RSS and Atom feeds: what they say about an item, which of them are refused, and what they may cost."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.errors import StoreIncomplete
from worker.items.prepare import prepare
from worker.stores import StoreConfig, UnreadableRecord
from worker.stores.feed import Feed

RSS = (
    b'<?xml version="1.0"?>\n<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>A shop</title>'
)
END = b"</channel></rss>\n"
ATOM = b'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><title>A shop</title>'
TWO = (
    b"<item><g:id>a</g:id><title>Red shirt</title><g:price>9.99 USD</g:price></item>\n"
    b"<item><g:id>b</g:id><title>Blue shirt</title><g:price>19.99 USD</g:price></item>\n"
)


def local(tmp_path: Path, body: bytes, name: str = "feed.xml") -> Feed:
    path = tmp_path / name
    path.write_bytes(body)
    return Feed(StoreConfig(str(path), {}, None, None, str(tmp_path / "spool")))


def items(tmp_path: Path, body: bytes, name: str = "feed.xml") -> dict[str, dict]:
    feed = local(tmp_path, body, name)
    found = {record.retailer_id: dict(feed.fields(record)) for record in feed.full(None).records}
    feed.close()
    return found


def item(tmp_path: Path, inner: bytes) -> dict:
    (fields,) = items(tmp_path, RSS + b"<item><g:id>a</g:id>" + inner + b"</item>" + END).values()
    del fields["id"]
    return fields


WITHIN = RSS + TWO + END
LAUGHS = b'<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (RSS + TWO, "no well-formed XML in line 4 (no element found)"),
        (RSS + TWO + END[:-3], "no well-formed XML"),
        (RSS + TWO[:-8] + END, "mismatched tag"),
        (WITHIN[: WITHIN.rindex(b"USD")], "no well-formed XML"),
        (RSS + b"<item><title><![CDATA[Red</title></item>" + END, "unclosed cdata section"),
        (RSS + TWO + b"<!-- for ever" + END, "no well-formed XML"),
        (WITHIN + b"<rss/>", "junk after document element"),
        (WITHIN + b"500 Internal Server Error", "junk after document element"),
        (WITHIN.replace(b"Red shirt", b"Red & white"), "not well-formed"),
        (WITHIN.replace(b"Red shirt", b"Red &nbsp; white"), "undefined entity"),
        (WITHIN.replace(b"Red shirt", b"Red &#11; white"), "reference to invalid character number"),
        (WITHIN.replace(b' xmlns:g="http://base.google.com/ns/1.0"', b""), "unbound prefix"),
        (b'<?xml version="1.0"?><products><product/></products>', "root element is products"),
        (b'<?xml version="1.0"?><x:rss xmlns:x="urn:x"/>', "root element is rss"),
        (b'<?xml version="1.0"?><html><body>Log in</body></html>', "web page"),
        (b'<?xml version="1.0" encoding="rot13"?><rss/>', "encoding rot13, which is not read"),
        (b'<?xml version="1.0" encoding="utf-7"?><rss/>', "encoding utf-7, which is not read"),
        (b"id,title,price\na,x,1 USD\n", "does not begin with a tag"),
        (b"", "no bytes"),
        (gzip.compress(WITHIN)[:-20], "gzip"),
        (RSS + TWO + b"</channel><channel>" + END, "more than one channel"),
        (RSS + b"<item>" + b"<x>" * 100 + b"</x>" * 100 + b"</item>" + END, "more than 64 deep"),
        (RSS + b"<item>" + b"<" + b"x" * 400 + b"/></item>" + END, "more than 300 characters"),
    ],
)
@pytest.mark.invariant("I9")
@pytest.mark.fault("S6")
def test_xml_that_is_not_one_whole_feed_is_refused_before_its_first_page(tmp_path, body, says):
    feed = local(tmp_path, body)
    with pytest.raises(StoreIncomplete) as caught:
        feed.full(None)
    assert says in caught.value.message
    feed.close()
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize(
    "body",
    [
        LAUGHS + b"<rss><channel><title>&c;</title></channel></rss>",
        b'<!DOCTYPE rss [<!ENTITY a "'
        + b"x" * 100_000
        + b'">]><rss><channel>'
        + b"&a;" * 100_000
        + b"</channel></rss>",
        b'<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><channel><item><id>&x;</id></item></channel></rss>',
        b'<!DOCTYPE rss [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x.dtd"> %x;]><rss/>',
        b'<!DOCTYPE rss SYSTEM "http://127.0.0.1:1/feed.dtd"><rss/>',
        b'<!DOCTYPE rss PUBLIC "-//Netscape//DTD RSS 0.91//EN" "http://127.0.0.1:1/feed.dtd"><rss/>',
    ],
    ids=["laughs", "quadratic", "file", "parameter", "external", "public"],
)
@pytest.mark.invariant("I14")
@pytest.mark.fault("S19")
def test_a_feed_with_a_document_type_is_refused_before_an_entity_of_it_is_known(tmp_path, body, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a connection was opened"))
    feed = local(tmp_path, b'<?xml version="1.0"?>\n' + body)
    with pytest.raises(StoreIncomplete, match=r"document type declaration \(DOCTYPE\)"):
        feed.full(None)
    feed.close()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (RSS + b"<item><title>" + b"x" * (9 << 20) + b"</title></item>" + END, "8 MB pass without the end of an item"),
        (RSS + b"<!--" + b"x" * (9 << 20) + b"-->" + END, "8 MB pass without the end of an item"),
        (RSS + b"".join(b"<x%d/>" % number for number in range(60_000)) + END, "10,000 different names"),
    ],
    ids=["item", "comment", "names"],
)
@pytest.mark.fault("S17", "S19")
def test_what_would_fill_memory_is_refused(tmp_path, body, says):
    feed = local(tmp_path, body)
    with pytest.raises(StoreIncomplete, match=says):
        feed.full(None)
    feed.close()


def test_an_item_of_countless_elements_is_unreadable_alone(tmp_path):
    feed = local(tmp_path, RSS + TWO + b"<item><g:id>c</g:id>" + b"<x/>" * 10_001 + b"</item>" + END)
    records = feed.full(None).records
    assert [record.retailer_id for record in records] == ["a", "b", "c"]
    with pytest.raises(UnreadableRecord, match="more than 10,000 elements"):
        feed.fields(records[2])
    feed.close()


@pytest.mark.parametrize(
    "body",
    [
        b"<rss/>",
        b"<rss></rss>",
        b"<rss><channel/></rss>",
        RSS + END,
        ATOM + b"</feed>",
        b'<feed xmlns="http://www.w3.org/2005/Atom"/>',
        b"<rss><item><id>a</id></item></rss>",
    ],
)
@pytest.mark.fault("S13")
def test_a_whole_feed_without_items_is_one_empty_last_page(tmp_path, body):
    feed = local(tmp_path, body)
    page = feed.full(None)
    assert (list(page.records), page.unidentified, page.cursor, page.last) == ([], 0, None, True)
    feed.close()


ENTRIES = TWO.replace(b"<item>", b"<entry>").replace(b"</item>", b"</entry>")


@pytest.mark.parametrize(
    "body",
    [
        WITHIN,
        WITHIN.rstrip() + b"\n\n<!-- made by a shop -->\n",
        b"\xef\xbb\xbf" + WITHIN,
        b"\n\n  " + WITHIN,
        WITHIN.replace(b"\n", b"\r\n"),
        WITHIN.replace(b"\n", b"\r"),
        WITHIN.replace(b"g:", b"shop:").replace(b"xmlns:g", b"xmlns:shop"),
        WITHIN.replace(b"<g:price>", b"<price>").replace(b"</g:price>", b"</price>"),
        WITHIN.replace(b"g:id", b"id"),
        WITHIN.replace(b'ns/1.0"', b'ns/1.0/"').replace(b"http:", b"https:"),
        WITHIN.replace(b"Red shirt", b"<![CDATA[Red shirt]]>").replace(b"Blue", b"Bl<!-- </item> -->ue"),
        WITHIN.replace(b"Red shirt", b"\n  R&#101;d &#x73;hirt\n"),
        WITHIN.replace(b"<title>B", b"<title xml:space='preserve'>B"),
        WITHIN.replace(b"<item>", b"<item\n>").replace(b"</item>", b"</item\n >"),
        WITHIN.replace(b"<item>", b'<item rdf="1 > 0" >'),
        WITHIN.replace(b'xmlns:g="http://base.google.com/ns/1.0"', b"")
        .replace(b"<channel>", b"<channel xmlns:g='http://base.google.com/ns/1.0'>"),
        WITHIN.replace(b'xmlns:g="http://base.google.com/ns/1.0"', b"")
        .replace(b"<item>", b"<item xmlns:g='http://base.google.com/ns/1.0'>"),
        b'<rss xmlns="http://base.google.com/ns/1.0"><channel>' + TWO.replace(b"g:", b"") + END,
        ATOM + ENTRIES + b"</feed>",
        b'<a:feed xmlns:a="http://www.w3.org/2005/Atom" xmlns="http://base.google.com/ns/1.0">'
        + ENTRIES.replace(b"entry>", b"a:entry>").replace(b"g:", b"") + b"</a:feed>",
        WITHIN.decode().encode("utf-16"),
        WITHIN.decode().encode("utf-16-le"),
        WITHIN.decode().encode("utf-16-be"),
        WITHIN.replace(b'"1.0"?>', b'"1.0" encoding="UTF-16"?>').decode().encode("utf-16"),
        WITHIN.replace(b'"1.0"?>', b'"1.0" encoding="utf-16"?>'),
        gzip.compress(WITHIN),
    ],
)  # fmt: skip
def test_the_same_two_items_in_every_dress(tmp_path, body):
    assert items(tmp_path, body) == {
        "a": {"id": "a", "title": "Red shirt", "price": "9.99 USD"},
        "b": {"id": "b", "title": "Blue shirt", "price": "19.99 USD"},
    }


@pytest.mark.parametrize("name", ["feed", "feed.rss", "feed.atom", "feed.xml.gz", "feed.php", "feed.csv"])
def test_markup_is_known_by_its_name_or_its_content(tmp_path, name):
    assert set(items(tmp_path, WITHIN, name)) == {"a", "b"}


@pytest.mark.parametrize(
    ("encoding", "label"), [("latin-1", "ISO-8859-1"), ("cp1252", "windows-1252"), ("shift_jis", "Shift_JIS")]
)
@pytest.mark.fault("S8")
def test_a_declared_encoding_is_read(tmp_path, encoding, label):
    title = "靴" if encoding == "shift_jis" else "Café"
    inner = f"<item><id>a</id><title>{title}</title></item>"
    body = f'<?xml version="1.0" encoding="{label}"?><rss><channel>{inner}</channel></rss>'
    feed = local(tmp_path, body.encode(encoding))
    page = feed.full(None)
    assert feed.fields(page.records[0]) == {"id": "a", "title": title}
    assert list(page.notices) == []
    feed.close()


@pytest.mark.fault("S8")
def test_bytes_that_xml_forbids_are_replaced_in_their_field_with_a_notice(tmp_path):
    body = WITHIN.replace(b"Red", b"R\xe9d\xff").replace(b"Blue", b"Bl\x0bue\0").replace(b"19.99", b"19.99 ")
    feed = local(tmp_path, body + b"\n")
    page = feed.full(None)
    assert [feed.fields(record)["title"] for record in page.records] == [
        "R\ufffdd\ufffd shirt",
        "Bl\ufffdue\ufffd shirt",
    ]
    assert [(notice.retailer_id, notice.code) for notice in page.notices] == [
        ("a", "encoding.replaced"), ("b", "encoding.replaced"),
    ]  # fmt: skip
    assert all("in title;" in notice.message for notice in page.notices)
    feed.close()


@pytest.mark.fault("S8")
def test_an_id_with_bytes_that_are_no_text_is_the_same_in_the_list_and_in_the_item(tmp_path):
    feed = local(tmp_path, WITHIN.replace(b">a<", b">a\xe9?<"))
    record = feed.full(None).records[0]
    assert record.retailer_id == feed.fields(record)["id"] == "a\ufffd?"
    feed.close()


def test_the_last_page_starts_where_the_one_before_ended_among_letters_of_several_bytes(tmp_path):
    title = "größe €".encode() + b"\xff"
    many = b"".join(b"<item><g:id>%d</g:id><title>%s</title></item>" % (number, title) for number in range(1500))
    feed = local(tmp_path, RSS + many + END)
    page = feed.full(None)
    again = local(tmp_path, RSS + many + END)
    assert [record.retailer_id for record in again.full(page.cursor).records] == [str(n) for n in range(1000, 1500)]
    feed.close()
    again.close()


def test_googles_elements_come_before_those_of_rss(tmp_path):
    inner = b"<title>Short</title><g:title>Long</g:title><link>https://s.example/r</link><g:link>https://s.example/g</g:link>"
    assert item(tmp_path, inner) == {"title": "Long", "link": "https://s.example/g"}
    assert set(items(tmp_path, RSS + b"<item><id>x</id><g:id>y</g:id></item>" + END)) == {"y"}


def test_what_rss_says_about_the_entry_is_not_said_about_the_product(tmp_path):
    inner = (
        b"<guid>7</guid><category>Blog</category><pubDate>now</pubDate><enclosure url='x'/>"
        b"<m:title xmlns:m='http://search.yahoo.com/mrss/'>Media</m:title><g:title>Shirt</g:title>"
    )
    assert item(tmp_path, inner) == {"title": "Shirt"}


def test_atom_names_link_and_description_in_its_own_way(tmp_path):
    entry = (
        b"<entry><id>tag:shop</id><g:id>a</g:id><title>Shirt</title><summary>Soft</summary><content>Other</content>"
        b"<link rel='self' href='https://s.example/self'/><link href='https://s.example/a'/><updated>now</updated></entry>"
    )
    assert items(tmp_path, ATOM + entry + b"</feed>") == {
        "a": {"id": "a", "title": "Shirt", "description": "Soft", "link": "https://s.example/a"}
    }


def test_groups_lists_and_markup_inside_texts(tmp_path):
    inner = (
        b"<g:description>Soft <b>and</b> warm</g:description>"
        b"<g:shipping><g:country>US</g:country><g:region>CA</g:region><g:price>9.99 USD</g:price></g:shipping>"
        b"<g:shipping><g:country>PH</g:country><g:service>Air</g:service><g:price>300 PHP</g:price></g:shipping>"
        b"<g:shipping><g:country>DE</g:country></g:shipping>"
        b"<g:additional_image_link>https://i.example/1.jpg</g:additional_image_link>"
        b"<g:additional_image_link>https://i.example/2.jpg</g:additional_image_link>"
        b"<g:image><g:url>https://i.example/0.jpg</g:url><g:tag>front</g:tag><g:tag>red</g:tag></g:image>"
        b"<g:product_type>Shirts</g:product_type><g:product_type>Sale</g:product_type>"
        b"<g:brand/><g:color> </g:color>"
    )
    assert item(tmp_path, inner) == {
        "description": "Soft and warm",
        "shipping": "US:CA::9.99 USD,PH::Air:300 PHP",
        "additional_image_link": ["https://i.example/1.jpg", "https://i.example/2.jpg"],
        "image": {"url": "https://i.example/0.jpg", "tag": ["front", "red"]},
        "product_type": "Shirts",
    }


def test_items_without_an_id_are_counted_and_noticed(tmp_path):
    feed = local(tmp_path, RSS + TWO + b"<item/><item></item><item a='>'/><item><title>x</title></item>" + TWO + END)
    page = feed.full(None)
    assert [record.retailer_id for record in page.records] == ["a", "b", "a", "b"]
    assert page.unidentified == 4
    assert {notice.code for notice in page.notices} == {"id.missing"}
    feed.close()


def test_an_item_has_the_same_bytes_wherever_it_stands_and_others_under_another_namespace(tmp_path):
    def raw(body: bytes) -> bytes:
        feed = local(tmp_path, body)
        found = {record.retailer_id: record.raw for record in feed.full(None).records}["b"]
        feed.close()
        return found

    assert raw(WITHIN) == raw(RSS.replace(b"A shop", b"Another title") + TWO[::1] + b"<item><id>c</id></item>" + END)
    assert raw(WITHIN) != raw(WITHIN.replace(b"xmlns:g", b'xmlns:h="urn:other" xmlns:g'))


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp")), max_size=30)
ROW = st.fixed_dictionaries(
    {
        "title": TEXT,
        "description": TEXT,
        "price": st.decimals("0.01", "9999", places=2).map(lambda amount: f"{amount} USD"),
        "availability": st.sampled_from(["in stock", "out of stock", "preorder"]),
        "link": st.just("https://shop.example/p?a=1&b=<2>"),
        "additional_image_link": st.lists(st.integers(1, 9).map(lambda n: f"https://i.example/{n}.jpg"), max_size=3),
        "quantity_to_sell_on_facebook": st.integers(0, 99).map(str),
    }
)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=4))
def test_csv_ndjson_rss_and_atom_of_the_same_items_are_the_same_items(tmp_path_factory, rows):
    tmp_path = tmp_path_factory.mktemp("feeds")
    rows = [{"id": str(number), **row} for number, row in enumerate(rows)]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows({**row, "additional_image_link": ",".join(row["additional_image_link"])} for row in rows)
    marked = "".join(f"<item>{''.join(_elements(name, value) for name, value in row.items())}</item>" for row in rows)
    bodies = {
        "feed.csv": out.getvalue().encode(),
        "feed.ndjson": "".join(json.dumps(row) + "\n" for row in rows).encode(),
        "feed.rss": RSS + marked.encode() + END,
        "feed.atom": ATOM + marked.replace("item>", "entry>").encode() + b"</feed>",
    }
    found = [
        {key: prepare(key, fields, None) for key, fields in items(tmp_path, body, name).items()}
        for name, body in bodies.items()
    ]
    assert found[0].keys() == {row["id"] for row in rows}
    assert found[1:] == [found[0]] * 3


def _elements(name: str, value: str | list[str]) -> str:
    values = value if isinstance(value, list) else [value]
    return "".join(f"<g:{name}>{escape(text)}</g:{name}>" for text in values)
