#!/usr/bin/env bash
# Asks everything that the OpenAPI document of a running node describes, and much that it does not:
#   run.sh URL SECONDS [OPTION...]
# TOKEN in the environment is sent with every request; EXPECTED names statuses of the 5xx that are no fault here.
# FILE_ID is asked for where a route is about one file; without it there is none of the ids asked for.
# Options go to schemathesis as they are.
# Fails when an answer is a 5xx, or has a status, media type or body that the document does not describe.
set -euo pipefail

venv=$("$(dirname "$0")/../python-program" schemathesis 4.32.5)
url=$1 seconds=$2
shift 2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
if [ -n "${EXPECTED:-}" ]; then
  printf '[checks]\nnot_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "%s"]\n' "$EXPECTED" >>schemathesis.toml
fi
if [ -n "${FILE_ID:-}" ]; then
  printf '[[operations]]\ninclude-path-regex = "/files/[{]id[}]"\nparameters = { "path.id" = "%s" }\n' "$FILE_ID" >>schemathesis.toml
fi
headers=()
if [ -n "${TOKEN:-}" ]; then headers=(--header "Authorization: Bearer $TOKEN"); fi
# What parameters exclude each other cannot be said in a document: whether data that fits it is taken is not asked.
timeout --kill-after=5 $((seconds + 60)) "$venv/bin/schemathesis" run "$url/openapi.json" "${headers[@]}" \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
  --phases examples,coverage,fuzzing --max-time "$seconds" --request-timeout 20 --warnings off \
  --suppress-health-check all "$@"
