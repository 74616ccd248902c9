"""``celery -A worker shop``: register shops and look after them."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from worker.cli.limits import limits
from worker.cli.mapping import mapping
from worker.cli.output import (
    AnsweringGroup,
    age,
    answers_json,
    database,
    moment,
    show_json,
    show_pairs,
    show_table,
)
from worker.cli.refusal import one_sentence
from worker.errors import BadInput

if TYPE_CHECKING:
    from worker.database.shops import ShopState

JOBS = click.Choice(["full", "delta", "volatile", "audit"])

token_env = click.option("--token-env", metavar="NAME", help="Environment variable that holds the shop's Meta token.")
secret_env = click.option(
    "--store-secret-env", metavar="NAME", help="Environment variable that holds the store's credential."
)


@click.group(cls=AnsweringGroup)
def shop() -> None:
    """Register shops and look after them. A shop is one store tied to one Meta catalog.

    \b
    Typical first steps:
      celery -A worker shop kinds
      celery -A worker shop add acme --store feed --store-url https://shop.example/feed.csv --catalog 1234567890
      celery -A worker sync full acme --wait
      celery -A worker shop status acme
    """


shop.add_command(limits)
shop.add_command(mapping)


@shop.command()
@click.argument("slug")
@click.option("--store", "kind_name", metavar="KIND", required=True, help="Kind of store; 'shop kinds' lists them.")
@click.option("--store-url", metavar="URL", required=True, help="Address of the store's API, or of its product feed.")
@click.option("--catalog", "catalog_id", metavar="ID", required=True, help="Id of the Meta catalog; it has one shop.")
@click.option("--currency", metavar="CODE", help="ISO 4217 code, such as USD, used where the store gives none.")
@click.option("--store-option", "pairs", metavar="K=V", multiple=True, help="An option of this kind; repeatable.")
@click.option("--mapping", "mapping_file", metavar="FILE", help="Its mapping, as 'shop mapping' describes it.")
@token_env
@secret_env
@one_sentence
def add(
    slug: str,
    kind_name: str,
    store_url: str,
    catalog_id: str,
    currency: str | None,
    pairs: tuple[str, ...],
    mapping_file: str | None,
    token_env: str | None,
    store_secret_env: str | None,
) -> None:
    """Register a shop under a short name (SLUG).

    Checks the token and the catalog with one read at Meta. Starts no sync and needs no worker. Secrets come from the
    named environment variables; without them you are asked, or, where there is no terminal, they are read from
    standard input, one per line: first the Meta token, then the store's credential if the kind has one.

    \b
    Examples:
      celery -A worker shop add acme --store feed --store-url https://shop.example/feed.csv \\
          --catalog 1234567890 --currency EUR --token-env ACME_TOKEN
      celery -A worker shop add acme --store vendure --store-url https://shop.example/admin-api \\
          --catalog 1234567890 --token-env ACME_TOKEN --store-secret-env ACME_KEY --mapping acme.toml
    """
    from worker.cli import registering
    from worker.cli.remapping import read_document

    document = read_document(mapping_file) if mapping_file else {}
    request = registering.NewShop(slug, kind_name, store_url, catalog_id, currency, _options(pairs), document)
    with database() as engine:
        catalog = registering.register(engine, request, token_env, store_secret_env, actor())
    click.echo(f"Added {slug} for the catalog {catalog.id} ({catalog.name}).")
    click.echo(f"Its first sync: celery -A worker sync full {slug} --wait")


@shop.command("list")
@answers_json
def list_shops(*, as_json: bool) -> None:
    """List all shops."""
    from worker.database import reports, shops
    from worker.database.engine import reading

    with database() as engine, reading(engine) as connection:
        found = [reports.shop_settings(connection, shop) for shop in shops.all_shops(connection)]
    if as_json:
        show_json(found)
    elif not found:
        click.echo("There are no shops yet. Add one: celery -A worker shop add --help")
    else:
        names = ("shop", "state", "store", "catalog", "store_url")
        show_table(names, [[row[name] for name in names] for row in found])


@shop.command()
@click.argument("slug")
@answers_json
def show(slug: str, *, as_json: bool) -> None:
    """Show how a shop is set up, with its schedules. Secrets are never shown."""
    from worker.database import reports, shops
    from worker.database.engine import reading
    from worker.items.mapping import as_toml

    with database() as engine, reading(engine) as connection:
        found = reports.shop_settings(connection, shops.by_slug(connection, slug))
    if as_json:
        show_json(found)
        return
    options = " ".join(f"{name}={value}" for name, value in found["store_options"].items()) or None
    limits = " ".join(f"{name}={value}" for name, value in found["limits"].items())
    settings = [(name, value) for name, value in found.items() if not isinstance(value, dict)]
    show_pairs([*settings, ("options", options), ("limits", limits)])
    click.echo()
    show_table(
        ["job", "cron", "zone", "next due (UTC)"],
        [[job, row["cron"], row["zone"], moment(row["next_due"])] for job, row in found["schedules"].items()],
    )
    if found["mapping"]:
        click.echo(f"\n{as_toml(found['mapping'])}", nl=False)


@shop.command()
@click.argument("slug")
@click.option("--reason", default="Paused by hand.", show_default=True, help="Shown wherever the shop is.")
@one_sentence
def pause(slug: str, reason: str) -> None:
    """Stop syncing a shop until 'shop resume'. What Meta has stays as it is; runs under way are canceled."""
    from worker.database.engine import database_now, writing
    from worker.sync.completion import cancel_runs

    shop_id = _set_state(slug, "paused", reason, "shop.paused")
    with database() as engine, writing(engine) as connection:
        cancel_runs(connection, shop_id, database_now(connection), f"The shop was paused: {reason}")
    click.echo(f"{slug} is paused. Go on with: celery -A worker shop resume {slug}")


@shop.command()
@click.argument("slug")
@one_sentence
def resume(slug: str) -> None:
    """Sync a paused shop again; its pending items go with the next push. A token that Meta refused is tried first."""
    from worker.cli import registering

    with database() as engine:
        registering.check_refused_token(engine, slug)
    shop_id = _set_state(slug, "active", None, "shop.resumed")
    registering.wake(shop_id)
    click.echo(f"{slug} is active.")


@shop.command()
@click.argument("slug")
@token_env
@secret_env
@one_sentence
def token(slug: str, token_env: str | None, store_secret_env: str | None) -> None:
    """Give a shop a new Meta token, and make it active again.

    The token is checked with one read of the shop's catalog. With --store-secret-env alone only the store's
    credential changes.

    \b
    Examples:
      celery -A worker shop token acme
      celery -A worker shop token acme --token-env ACME_TOKEN
      celery -A worker shop token acme --store-secret-env ACME_KEY
    """
    from worker.cli import registering

    with database() as engine:
        registering.replace_secrets(engine, slug, token_env, store_secret_env, actor())
    click.echo(f"{slug} has its new credentials and is active.")


@shop.command()
@click.argument("slug")
@click.option("--yes", is_flag=True, help="Do not ask.")
@one_sentence
def remove(slug: str, *, yes: bool) -> None:
    """Forget a shop with its history. Its items stay at Meta as they are.

    On a terminal it asks first.
    """
    import sys

    from worker.database import shops
    from worker.database.engine import database_now, reading, writing

    with database() as engine:
        with reading(engine) as connection:
            shops.by_slug(connection, slug)
        if not yes and sys.stdin.isatty():
            click.confirm(f"Forget {slug} and everything known of its items?", abort=True, err=True)
        with writing(engine) as connection:
            found = shops.by_slug(connection, slug)
            shops.log_event(connection, found, actor=actor(), event="shop.removed", now=database_now(connection))
            shops.remove(connection, found.id)
    click.echo(f"Removed {slug}. Its items stay at Meta.")


@shop.command()
@click.argument("slug")
@click.argument("job", type=JOBS)
@click.argument("cron")
@click.option("--tz", "zone", default="UTC", show_default=True, help="IANA name of the expression's time zone.")
@one_sentence
def schedule(slug: str, job: str, cron: str, zone: str) -> None:
    """Change how often a job runs. A running beat follows within seconds.

    CRON is minute, hour, day of month, month, day of week; 'off' disables the job. H stands for a value that is fixed
    for this shop and differs between shops, so that not all of them start at the full hour.

    What runs once a day or less often follows the clock of ZONE: once on each date, also where the clocks change. What
    runs more often is counted in UTC.

    \b
    Examples:
      celery -A worker shop schedule acme volatile 'H/5 * * * *'
      celery -A worker shop schedule acme full '30 2 * * *' --tz Europe/Berlin
      celery -A worker shop schedule acme delta off
      celery -A worker shop schedule acme audit '0 3 * * 7'
    """
    from worker.database import schedules, shops
    from worker.database.engine import database_now, writing

    with database() as engine, writing(engine) as connection:
        found = shops.by_slug(connection, slug)
        now = database_now(connection)
        due = schedules.set_cron(connection, found, job, cron, zone=zone, now=now)
        counted_in = {row.job: row.zone for row in schedules.of_shop(connection, found.id)}[job]
        detail = {"job": job, "cron": cron, "zone": zone}
        shops.log_event(connection, found, actor=actor(), event="shop.scheduled", detail=detail, now=now)
    if due is None:
        click.echo(f"{job} of {slug} is off.")
    else:
        click.echo(f"{job} of {slug} runs next at {due:%Y-%m-%d %H:%M:%S} UTC.")
        if counted_in != zone:
            click.echo(f"It runs more than once a day, so it is counted in {counted_in} and not in {zone}.")


@shop.command()
@click.argument("slug", required=False)
@answers_json
def status(slug: str | None, *, as_json: bool) -> None:
    """Show how fresh shops are at Meta, against the promise: full 24 h, delta 1 h, volatile 15 min.

    The age counts from the start of the last run that was accepted; a full sync renews all three. What stands still,
    of these shops or of the whole installation, is told below; 'health' tells the same, with an exit code.
    """
    from worker.database import reports, shops
    from worker.database.engine import database_now, reading
    from worker.sync.watchdog import findings

    with database() as engine, reading(engine) as connection:
        chosen = shops.all_shops(connection) if slug is None else [shops.by_slug(connection, slug)]
        found = reports.status(connection, chosen)
        still = findings(connection, database_now(connection))
    for row in found:
        row["problems"] = [finding.problem for finding in still if finding.shop in (row["shop"], None)]
    if as_json:
        show_json(found)
        return
    if not found:
        click.echo("There are no shops yet. Add one: celery -A worker shop add --help")
        return
    rows = []
    for row in found:
        jobs = row["freshness"].items()
        ages = [_age(fresh) for _, fresh in jobs]
        due = min((fresh["next_due"] for _, fresh in jobs if fresh["next_due"]), default=None)
        rows.append([row["shop"], row["state"], *ages, moment(due), row["pending_items"], row["open_issues"]])
    headers = ["shop", "state", *found[0]["freshness"], "next due (UTC)", "pending", "issues"]
    show_table(headers, rows)
    for row in found:
        if row["reason"]:
            click.echo(f"{row['shop']}: {row['reason']}")
        for run in row["held_runs"]:
            click.echo(f"{row['shop']}: run {run} waits for a decision. See: celery -A worker runs show {run}")
    for finding in still:
        if finding.shop is None or finding.shop in [row["shop"] for row in found]:
            click.echo(f"{finding.shop or 'installation'}: {finding.problem}")


@shop.command()
@one_sentence
def kinds() -> None:
    """List the kinds of stores with their options."""
    from worker.stores import kinds as registry

    for kind in registry().values():
        click.echo(f"{kind.name}: {kind.summary}")
        if kind.needs_secret:
            click.echo("    needs a credential of the store (--store-secret-env NAME, or a prompt)")
        for option in kind.options:
            notes = "required" if option.required else f"default {option.default}" if option.default else "optional"
            click.echo(f"    --store-option {option.name}=…  {option.help} ({notes})")


def _age(fresh: dict[str, Any]) -> str:
    if fresh["age_s"] is None:
        return "never"
    return age(fresh["age_s"]) + ("" if fresh["met"] else " (late)")


def actor() -> str:
    """Who types this, for the audit log."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number alone
        return "unknown"


def _set_state(slug: str, state: ShopState, reason: str | None, event: str) -> int:
    from worker.database import shops
    from worker.database.engine import database_now, writing

    with database() as engine, writing(engine) as connection:
        found = shops.by_slug(connection, slug)
        shops.set_state(connection, found.id, state, reason)
        detail = {} if reason is None else {"reason": reason}
        shops.log_event(connection, found, actor=actor(), event=event, detail=detail, now=database_now(connection))
        return found.id


def _options(pairs: Iterable[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise click.BadParameter(f"{pair!r} is not of the form K=V.", param_hint="--store-option")
        if name in options:
            raise BadInput(f"The store option {name} is given twice.")
        options[name] = value
    return options
