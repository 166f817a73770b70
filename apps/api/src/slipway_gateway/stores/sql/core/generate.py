"""Write the store's statements and schema as texts, or with ``--check`` tell whether the written ones are current.

Run as ``python -m slipway_gateway.stores.sql.core.generate [--check]``; exits with 1 when they are not.
"""

import json
import sys
from collections.abc import Mapping

from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from slipway_gateway.stores.sql.core import archive, commands, jobs, nodes
from slipway_gateway.stores.sql.core.definition import Definition, by_name
from slipway_gateway.stores.sql.core.schema import METADATA
from slipway_gateway.stores.sql.statements import COMPILED

DIALECTS: Mapping[str, Dialect] = {"sqlite": sqlite.dialect(paramstyle="qmark")}


def generated(dialect: Dialect) -> str:
    """Return the file of a dialect: the schema's statements in order, and every statement by name."""
    statements: dict[str, Definition] = {}
    for module in (jobs, commands, nodes, archive):
        statements |= {name: by_name(clause, dialect) for name, clause in module.QUERIES.items()}
        statements |= {name: keyed.compiled(dialect) for name, keyed in module.KEYED.items()}
        statements |= {name: insert.compiled(dialect) for name, insert in module.INSERTS.items()}
    schema = []
    for table in METADATA.sorted_tables:
        schema.append(" ".join(str(CreateTable(table).compile(dialect=dialect)).split()))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        schema += [" ".join(str(CreateIndex(index).compile(dialect=dialect)).split()) for index in indexes]
    return json.dumps({"schema": schema, "statements": statements}, indent=1, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    """Write the files, or check them."""
    stale = 0
    for name, dialect in DIALECTS.items():
        path = COMPILED / f"{name}.json"
        text = generated(dialect)
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale = 1
            sys.stderr.write(f"{path} is not what the statements say; run {__spec__.name}\n")
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
