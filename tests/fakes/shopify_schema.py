"""Shopify's official schema, and the part of it that our documents use.

The npm package ``@shopify/dev-mcp`` (ISC) carries the introspection of every version of the Admin API, 14 MB packed.
Committed is only what our documents use, so that the fake can execute them and refuses everything else; to make it
anew after a document or the version below changed (needs npm)::

    python -m tests.fakes.shopify_schema

The copyright notice of the package goes with it, at the head of the file.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_client_schema,
    build_schema,
    get_named_type,
    is_specified_scalar_type,
    parse,
    visit,
)

from worker.stores.shopify import API_VERSIONS, queries
from worker.stores.shopify.queries import Documents

PACKAGE = "@shopify/dev-mcp@1.16.0"
PRUNED = Path(__file__).parent / "shopify_admin.graphql"
VARIANTS_OF_OPTIONS = (
    Documents(), Documents("CA"), Documents(None, "gid://shopify/Publication/1"), Documents(None, None, "fr-CA"),
    Documents(None, None, None, "gid://shopify/Location/1"),
)  # fmt: skip
_EXTRA = frozenset({"Video"})  # media that is no picture


def documents() -> dict[str, str]:
    """Everything that the adapter may send, by a name for messages."""
    fixed = {name: text for name, text in vars(queries).items() if name.isupper() and isinstance(text, str)}
    fixed = {name: text for name, text in fixed.items() if text.startswith(("query", "mutation"))}
    made = {
        f"{name}[{number}]": getattr(options, name)
        for number, options in enumerate(VARIANTS_OF_OPTIONS)
        for name in ("shop", "export_items", "export_sold", "sold", "variants", "variants_by_id", "products_by_id")
    }
    return fixed | made


@cache
def pruned() -> GraphQLSchema:
    return build_schema(PRUNED.read_text(encoding="utf-8"))


@cache
def official(folder: Path, version: str) -> GraphQLSchema:
    """The whole schema of one version. ``folder`` keeps the package; npm is asked where it is not there yet.

    Raises ``OSError`` or ``subprocess.SubprocessError`` where npm or its registry cannot be reached.
    """
    found = json.loads(gzip.decompress((_unpacked(folder) / f"admin_{version}.json.gz").read_bytes()))
    # Without assume_valid graphql-core refuses Shopify's own arguments that are required and deprecated at once.
    return build_client_schema(found["data"], assume_valid=True)


def scopes(folder: Path, version: str, text: str) -> dict[str, list[str]]:
    """For each type and field of a document that demands an access scope: those of which one is enough."""
    listed = json.loads(gzip.decompress((_unpacked(folder) / f"admin_{version}.json.gz").read_bytes()))
    demanded = {
        f"{one['typeName']}.{one.get('fieldName', '')}": one["offlineScopes"]
        for one in listed["offline_scopes"]["items"]
        if one["offlineScopes"]
    }
    info = TypeInfo(official(folder, version))
    met: dict[str, list[str]] = {}

    class Meet(Visitor):
        def enter_field(self, node, *_):
            for name in (
                f"{info.get_parent_type().name}.{node.name.value}",
                f"{get_named_type(info.get_type()).name}.",
            ):
                if name in demanded:
                    met[name] = demanded[name]

    visit(parse(text), TypeInfoVisitor(info, Meet()))
    return met


def notice(folder: Path) -> str:
    return (_unpacked(folder) / "LICENSE").read_text(encoding="utf-8")


def prune(schema: GraphQLSchema, texts: list[str]) -> str:
    """The schema language of what ``texts`` select: these fields with all of their arguments, and no other."""
    selection = _Selection(schema)
    info = TypeInfo(schema)

    class Take(Visitor):
        def enter_field(self, node, *_):
            if not node.name.value.startswith("__"):
                selection.take(info.get_parent_type().name, node.name.value)

        def enter_inline_fragment(self, node, *_):
            selection.add(node.type_condition.name.value)

    for text in texts:
        visit(parse(text), TypeInfoVisitor(info, Take()))
    for name in _EXTRA:
        selection.add(name)
    selection.complete()
    blocks = [_composite(schema.get_type(name), selection.used) for name in sorted(selection.used)]
    blocks += [_leaf(selection.leaves[name]) for name in sorted(selection.leaves)]
    return "schema { query: QueryRoot mutation: Mutation }\n\n" + "\n\n".join(blocks) + "\n"


class _Selection:
    """What is used of a schema: fields by type, and the scalars, enums and inputs that they need."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self.used: dict[str, set[str]] = {}
        self.leaves: dict[str, GraphQLNamedType] = {}

    def add(self, name: str) -> set[str]:
        return self.used.setdefault(name, set())

    def take(self, parent: str, name: str) -> None:
        field = self._schema.get_type(parent).fields[name]
        self.add(parent).add(name)
        for argument in field.args.values():
            self._need(get_named_type(argument.type))
        result = get_named_type(field.type)
        if isinstance(result, GraphQLObjectType | GraphQLInterfaceType):
            self.add(result.name)
        else:
            self._need(result)

    def complete(self) -> None:
        """Give every type what the interfaces it implements demand."""
        for name in list(self.used):
            kind = self._schema.get_type(name)
            for interface in kind.interfaces if isinstance(kind, GraphQLObjectType) else ():
                if interface.name == "Node":
                    self.take("Node", "id")
                for field in sorted(self.used.get(interface.name, ())):
                    self.take(name, field)

    def _need(self, kind: GraphQLNamedType) -> None:
        if kind.name in self.leaves or is_specified_scalar_type(kind):
            return
        self.leaves[kind.name] = kind
        if isinstance(kind, GraphQLInputObjectType):
            for member in kind.fields.values():
                self._need(get_named_type(member.type))


def _composite(kind: GraphQLNamedType, used: dict[str, set[str]]) -> str:
    lines = []
    for name in sorted(used[kind.name]):
        field = kind.fields[name]
        arguments = ", ".join(f"{given}: {argument.type}" for given, argument in field.args.items())
        lines.append(f"  {name}{f'({arguments})' if arguments else ''}: {field.type}")
    word = "interface" if isinstance(kind, GraphQLInterfaceType) else "type"
    interfaces = sorted(one.name for one in kind.interfaces if one.name in used) if word == "type" else []
    implements = f" implements {' & '.join(interfaces)}" if interfaces else ""
    return f"{word} {kind.name}{implements} {{\n" + "\n".join(lines) + "\n}"


def _leaf(kind: GraphQLNamedType) -> str:
    if isinstance(kind, GraphQLScalarType):
        return f"scalar {kind.name}"
    if isinstance(kind, GraphQLEnumType):
        return f"enum {kind.name} {{ {' '.join(sorted(kind.values))} }}"
    members = "\n".join(f"  {name}: {member.type}" for name, member in kind.fields.items())
    return f"input {kind.name} {{\n{members}\n}}"


def _unpacked(folder: Path) -> Path:
    wanted = folder / PACKAGE.replace("/", "-")
    if wanted.is_dir():
        return wanted
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [npm, "pack", PACKAGE, "--silent", "--pack-destination", scratch]
        subprocess.run(command, check=True, capture_output=True, timeout=90, cwd=scratch)
        arrived = Path(scratch) / "kept"
        arrived.mkdir()
        with tarfile.open(next(Path(scratch).glob("*.tgz"))) as package:
            for name in ("LICENSE", *(f"dist/data/admin_{version}.json.gz" for version in API_VERSIONS)):
                (arrived / Path(name).name).write_bytes(package.extractfile(f"package/{name}").read())
        if not wanted.is_dir():
            arrived.rename(wanted)
    return wanted


def committed(folder: Path, version: str = API_VERSIONS[0]) -> str:
    """What belongs into the committed file."""
    origin = f"From the npm package {PACKAGE}, Admin API {' and '.join(API_VERSIONS)}: only what our documents use."
    head = "\n".join(f"# {line}".rstrip() for line in (origin, "", *notice(folder).strip().splitlines()))
    return f"{head}\n\n{prune(official(folder, version), list(documents().values()))}"


if __name__ == "__main__":
    PRUNED.write_text(committed(Path(tempfile.gettempdir()) / "shopify-schema"), encoding="utf-8")
