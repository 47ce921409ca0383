"""Runs a SQL file over an export with DuckDB and prints the last statement's rows as NDJSON: query.py rollups.sql rollups.ndjson"""

import json
import sys

import duckdb

script, data = sys.argv[1:]
connection = duckdb.connect()
connection.execute("SET VARIABLE file = $1", [data])
result = connection.execute(open(script, encoding="utf-8").read())
names = [column[0] for column in result.description]
for row in result.fetchall():
    print(json.dumps(dict(zip(names, row)), default=str))
