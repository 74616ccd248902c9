"""The part of Saleor's official schema that our documents use.

Saleor publishes its schema with its source, as ``saleor/graphql/schema.graphql`` of github.com/saleor/saleor. Committed
is only what our documents use, so that the fake can execute them and refuses everything else. To make it anew after a
document changed, from a copy of that repository::

    python -m tests.fakes.saleor_schema path/of/saleor "3.24.0-a.0 (723cd4e)"

The copyright notice goes with it, at the head of the file.
"""

from __future__ import annotations

import sys
from collections.abc import Container
from functools import cache
from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLScalarType,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_schema,
    get_named_type,
    is_specified_scalar_type,
    parse,
    visit,
)

from worker.stores.saleor import queries
from worker.stores.saleor.queries import Documents

PRUNED = Path(__file__).parent / "saleor_api.graphql"
MADE = (Documents(gross=True), Documents(gross=False), Documents(True, "DE"), Documents(True, preorder=False))
_EXTRA = frozenset({"AssignedFileAttribute"})  # an attribute that is no text


def documents() -> dict[str, str]:
    """Everything that the adapter may send, by a name for messages."""
    made = {
        f"{name}[{number}]": getattr(options, name)
        for number, options in enumerate(MADE)
        for name in ("variants", "sold", "variants_by_id")
    }
    return {"start": queries.START, **made}


@cache
def pruned() -> GraphQLSchema:
    return build_schema(PRUNED.read_text(encoding="utf-8"))


def prune(official: str, texts: list[str]) -> str:
    """The definitions of what ``texts`` use: these fields and arguments and no other, without descriptions."""
    schema = build_schema(official, assume_valid=True)
    use = _Use(schema)
    for text in texts:
        use.add(text)
    use.complete()
    kinds = [schema.get_type(name) for name in sorted(use.fields)]
    written = [
        _written(kind, use.fields[kind.name], use.fields) for kind in kinds if not is_specified_scalar_type(kind)
    ]
    return "\n\n".join(["schema { query: Query }", *written]) + "\n"


class _Use:
    """The types that documents use; of each its fields, and of each field its arguments."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self.fields: dict[str, dict[str, set[str]]] = {name: {} for name in _EXTRA}

    def add(self, text: str) -> None:
        info = TypeInfo(self._schema)
        use = self

        class Take(Visitor):
            def enter_field(self, node, *_):
                taken = use.fields.setdefault(info.get_parent_type().name, {}).setdefault(node.name.value, set())
                taken.update(argument.name.value for argument in node.arguments or ())
                use.take(info.get_type())

            def enter_argument(self, *_):
                use.take(info.get_input_type())

            def enter_inline_fragment(self, node, *_):
                use.fields.setdefault(node.type_condition.name.value, {})

        visit(parse(text), TypeInfoVisitor(info, Take()))

    def take(self, kind: object) -> None:
        """The type itself; of an input all that may be in it."""
        named = get_named_type(kind)
        if named.name not in self.fields and isinstance(named, GraphQLInputObjectType):
            for member in named.fields.values():
                self.take(member.type)
        self.fields.setdefault(named.name, {})

    def complete(self) -> None:
        """Give every type what the interfaces it implements demand."""
        for name, fields in self.fields.items():
            for interface in getattr(self._schema.get_type(name), "interfaces", ()):
                for field in self.fields.get(interface.name, {}):
                    fields.setdefault(field, set())


def _written(kind: GraphQLNamedType, fields: dict[str, set[str]], used: Container[str]) -> str:
    if isinstance(kind, GraphQLScalarType):
        return f"scalar {kind.name}"
    if isinstance(kind, GraphQLEnumType):
        return f"enum {kind.name} {{ {' '.join(sorted(kind.values))} }}"
    if isinstance(kind, GraphQLInputObjectType):
        members = "\n".join(f"  {name}: {member.type}" for name, member in kind.fields.items())
        return f"input {kind.name} {{\n{members}\n}}"
    lines = []
    for name in sorted(fields):
        field = kind.fields[name]
        given = ", ".join(f"{one}: {field.args[one].type}" for one in sorted(fields[name]))
        # A reason is a merchant's to read; here it only matters that there is one.
        deprecated = " @deprecated" if field.deprecation_reason else ""
        lines.append(f"  {name}{f'({given})' if given else ''}: {field.type}{deprecated}")
    word = "interface" if isinstance(kind, GraphQLInterfaceType) else "type"
    interfaces = sorted(one.name for one in kind.interfaces if one.name in used)
    implements = f" implements {' & '.join(interfaces)}" if interfaces else ""
    return f"{word} {kind.name}{implements} {{\n" + "\n".join(lines) + "\n}"


def committed(repository: Path, version: str) -> str:
    """What belongs into the committed file."""
    origin = f"From saleor/graphql/schema.graphql of github.com/saleor/saleor, {version}: only what our documents use."
    notice = (repository / "LICENSE").read_text(encoding="utf-8")
    official = (repository / "saleor" / "graphql" / "schema.graphql").read_text(encoding="utf-8")
    head = "\n".join(f"# {line}".rstrip() for line in (origin, "", *notice.strip().splitlines()))
    return f"{head}\n\n{prune(official, list(documents().values()))}"


if __name__ == "__main__":
    PRUNED.write_text(committed(Path(sys.argv[1]), sys.argv[2]), encoding="utf-8")
